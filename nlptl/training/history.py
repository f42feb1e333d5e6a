"""History of a training run: losses and scores per epoch, as a table and as a plot."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nlptl.base.optional_packages import require
from nlptl.training.domain_shift import DomainShift

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass
class History:
    """Record of a training run.

    Attributes
    ----------
    losses : list of float
        Mean loss of each epoch.
    scores : list of float
        Score on held-out rows after each epoch; empty without held-out rows. Higher is better, so
        metrics where lower is better are negated. By default it is the negative log loss. If the
        training ran again on all rows, the scores are those of the first run.
    best_epoch : int
        Epoch, counted from 1, whose weights were kept; 0 if it is unknown.
    steps : list of float
        Loss of each optimiser step.
    restarts : list of str
        Reason of each restart with another seed.
    resumed_from : int
        Step of the checkpoint from which the fit resumed; 0 if it started from the beginning.
    refused : list of str
        Checkpoints that failed verification, with the reason.
    domains : DomainShift or None
        Difference between source and target before and after the training, if a transfer compared
        them.
    figures : dict of str to list of float
        Figures of transfers on rows that they keep back, at the start and after each stage. Also
        the strength of each pretraining.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0
    steps: list[float] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    resumed_from: int = 0
    refused: list[str] = field(default_factory=list)
    domains: DomainShift | None = None
    figures: dict[str, list[float]] = field(default_factory=dict)

    @property
    def perplexity(self) -> list[float]:
        """Perplexity of hidden words of held-back texts, at the start and after each stage."""
        return [math.exp(loss) for loss in self.figures.get("masked_word_loss", ())]

    def frame(self) -> pd.DataFrame:
        """Return one row per epoch.

        Returns
        -------
        DataFrame
            Columns: ``epoch`` from 1, the mean ``loss`` of the training rows, and ``best``, which
            is True for the epoch whose weights were kept. With held-out rows also ``score``, where
            higher is better. A value that an epoch does not have is NaN.
        """
        import pandas as pd

        columns = {"loss": self.losses, **({"score": self.scores} if self.scores else {})}
        frame: pd.DataFrame = pd.DataFrame(
            {name: pd.Series(values, dtype=float) for name, values in columns.items()}
        )
        frame.insert(0, "epoch", range(1, len(frame) + 1))
        frame["best"] = frame["epoch"] == self.best_epoch
        return frame

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot loss and score of each epoch. A dotted line marks the best epoch.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            None draws into a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes with the loss. The score has an axis on the right.

        Raises
        ------
        ConfigError
            If matplotlib is not installed. The extra ``plots`` contains it.
        """
        axes: Axes = require("matplotlib.pyplot", extra="plots").subplots()[1] if ax is None else ax
        axes.plot(range(1, len(self.losses) + 1), self.losses, "o-", color="tab:blue")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss on training rows", color="tab:blue")
        axes.locator_params(axis="x", integer=True)
        if self.scores:
            score_axes = axes.twinx()
            score_axes.plot(range(1, len(self.scores) + 1), self.scores, "s-", color="tab:orange")
            score_axes.set_ylabel("score on held-out rows (higher is better)", color="tab:orange")
        if self.best_epoch:
            axes.axvline(self.best_epoch, color="grey", linestyle=":")
        return axes

    def __repr__(self) -> str:
        parts = [f"{len(self.losses)} epochs"]
        if self.losses:
            parts.append(f"loss {self.losses[0]:.3f} to {self.losses[-1]:.3f}")
        if self.best_epoch:
            parts.append(f"best epoch {self.best_epoch}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, na_rep="", float_format="{:.4f}".format)

"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest

SCHEDULES = ("linear", "cosine", "constant", "slanted")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
AVERAGES = ("ema", "tail")
KEPT = ("auto", "best", "last")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Spec):
    """Settings of the training loop.

    What is left at None is chosen by what is trained: 40 epochs of 32 rows at a rate of 2e-3 and
    a decay of 0.05 for networks on frozen features (patience 8), 6 epochs of 16 rows at 1e-4 and
    0.01 for encoders (6), and up to 25 epochs of 64 rows at the same rate for ``Contrastive``.

    Networks on frozen features hold a fifth of the rows out, from 40 rows on and unless
    ``validation_share`` is 0, choose the epoch by their log loss and train anew; ``metric``,
    ``keep``, ``refit``, ``restarts``, ``accumulation``, ``tokens_per_pass`` and checkpoints are
    for encoders.

    Parameters
    ----------
    epochs : int or None
        The most passes over the training rows.
    batch_size : int or None
        Rows an optimiser step, on all processes together.
    learning_rate : float or None
        Peak of the schedule.
    weight_decay : float or None
        Of AdamW; biases and normalisation are left out.
    warmup_share : float
        Share of all steps in which the rate rises to its peak, from 0 to 1.
    clip_norm : float
        Gradients longer than this are shortened to it.
    patience : int or None
        Stop after so many epochs without a better score on held-out rows.
    schedule : {"linear", "cosine", "constant", "slanted"}
        How the rate falls after the peak: to zero along a line or half a cosine, not at all, or
        along a line to a 32nd of the peak [1]_.
    max_steps : int or None
        Stop after so many optimiser steps, however many epochs that is.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Numbers of the forward pass; weights and sums stay float32. ``"auto"`` is bfloat16 where
        the device has it and an encoder is trained. float16 needs a CUDA device.
    accumulation : int
        Forward passes a step: the rows of a step are dealt over them. Results stay the same,
        but for a transfer that compares rows: it sees those of a pass.
    tokens_per_pass : int
        Cut a step into further passes where its padded tokens exceed this.
    checkpoint_activations : bool
        Compute activations twice instead of keeping them: less memory, slower.
    attention_dropout : bool
        Drop attention weights as the encoder was pretrained with. Without it attention runs
        through faster kernels.
    average : {"ema", "tail"} or None
        Use averaged weights: exponentially [2]_, or evenly over the last third of the steps [3]_.
    metric : str
        What held-out rows are scored by: ``log_loss``, or a figure that ``evaluate`` gives,
        but ``mean_rank_error``.
    keep : {"auto", "best", "last"}
        ``"best"`` keeps the epoch with the best score on held-out rows; ``"auto"`` does so where
        ``fit`` was given ``validation``.
    validation_share : float
        Share of the rows held out where ``fit`` is not given ``validation``: to choose the best
        epoch, or else only to calibrate probabilities. 0 holds none out.
    refit : bool or None
        Train anew on all rows once the held-out ones have told how long to train and how to
        calibrate; None does so with fewer than 1,000 rows, where a tenth of them is missed most.
        The weights of both trainings are then averaged, but where the head starts at random.
    restarts : int
        Begin again with another seed, so often at most, where training collapsed.
    checkpoints : str or None
        Folder to write checkpoints into, from which an interrupted fit goes on.
    save_steps : int or None
        Steps from one checkpoint to the next; None is a tenth of the training, but from 50 to 500.
    log_with : str or None
        Tracker that Accelerate knows: tensorboard, trackio, wandb and others.
    quiet : bool
        Show no progress.

    References
    ----------
    .. [1] Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    .. [2] Polyak and Juditsky, "Acceleration of stochastic approximation by averaging",
       SIAM J. Control Optim. 30(4), 1992.
    .. [3] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
       UAI 2018, arXiv:1803.05407.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_share: float = 0.1
    clip_norm: float = 1.0
    patience: int | None = None
    schedule: str = "linear"
    max_steps: int | None = None
    precision: str = "auto"
    accumulation: int = 1
    tokens_per_pass: int = 32_768
    checkpoint_activations: bool = False
    attention_dropout: bool = False
    average: str | None = None
    metric: str = "log_loss"
    keep: str = "auto"
    validation_share: float = 0.1
    refit: bool | None = None
    restarts: int = 2
    checkpoints: str | None = None
    save_steps: int | None = None
    log_with: Any = None
    quiet: bool = False

    def __post_init__(self) -> None:
        counts = ("epochs", "batch_size", "patience", "accumulation", "tokens_per_pass")
        rules = {
            **{name: (_holds(getattr(self, name), 1), "at least 1") for name in counts},
            "save_steps": (_holds(self.save_steps, 1), "at least 1, or None"),
            "learning_rate": (self.learning_rate is None or self.learning_rate > 0, "above 0"),
            "weight_decay": (_holds(self.weight_decay, 0), "at least 0"),
            "warmup_share": (0 <= self.warmup_share <= 1, "from 0 to 1"),
            "clip_norm": (self.clip_norm > 0, "above 0"),
            "max_steps": (_holds(self.max_steps, 1), "at least 1, or None"),
            "validation_share": (0 <= self.validation_share <= 0.5, "from 0 to 0.5"),
            "restarts": (self.restarts >= 0, "at least 0"),
        }
        broken = [
            f"{name} must be {rule}, got {getattr(self, name)!r}"
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if broken:
            raise ConfigError("; ".join(broken))
        self._check_names()

    def over(self, chosen: LoopConfig) -> LoopConfig:
        """Give these settings, with what was left open taken from others."""
        own = {name: value for name, value in self.get_params().items() if value is not None}
        return replace(chosen, **own)

    def _check_names(self) -> None:
        known = {"schedule": SCHEDULES, "precision": PRECISIONS, "keep": KEPT}
        if self.average is not None:
            known["average"] = AVERAGES
        for name, names in known.items():
            if getattr(self, name) not in names:
                given = getattr(self, name)
                raise ConfigError(f"{name}={given!r} is not known. {suggest(str(given), names)}")


@dataclass(frozen=True, kw_only=True)
class LoopConfig(TrainingConfig):
    """Settings with nothing left open, as the loop takes them."""

    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    patience: int = 8


def _holds(value: float | None, least: float) -> bool:
    return value is None or value >= least

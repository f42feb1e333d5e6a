"""Scores by number of labels: start, slope, asymptote, and the labels that a transfer saves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.described import entry
from nlptl.base.errors import InputError
from nlptl.base.inputs import JsonObject
from nlptl.base.optional_packages import require
from nlptl.base.suggestions import suggest
from nlptl.evaluation.intervals import Interval, paired_interval, resampled_interval
from nlptl.evaluation.power_law import PowerLaws, first_reached, sizes_between

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MIN_SIZES = 4
"""Minimum number of sizes for a curve: it has three parameters."""

_REPLICATES = 300


@dataclass(frozen=True)
class LabelCount:
    """A number of labels with its 95 % interval.

    Attributes
    ----------
    value, low, high : float
        Infinity is more than the largest measured number.
    largest : int
        Largest number that was measured.
    """

    value: float
    low: float
    high: float
    largest: int

    def __str__(self) -> str:
        value, low, high = map(self._as_text, (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    def _as_text(self, number: float) -> str:
        return f"{number:.0f}" if np.isfinite(number) else f"more than {self.largest}"


@dataclass(frozen=True, eq=False)
class CurveScores:
    """Scores of methods by number of labels, on the same rows.

    All intervals are 95 % intervals. They include how the score varies with the training rows that
    were drawn.

    Attributes
    ----------
    methods : tuple of str
        Names of the methods. The last one is the baseline, usually without transfer.
    sizes : tuple of int
        Numbers of labels, in ascending order.
    scores : ndarray of shape (n_draws, n_sizes, n_methods)
        Score of each method. Within a draw, larger training sets contain the smaller ones.
    test_share : float or None
        Share of the rows that each draw keeps as test rows. None if all draws have the same test
        rows; the intervals then hold for these test rows.
    limit : float
        Largest possible score. For accuracy, it is 1.

    Raises
    ------
    InputError
        If there are fewer than two draws or two methods, or the shapes do not agree.
    """

    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    scores: FloatArray
    test_share: float | None = None
    limit: float = 1.0

    def __post_init__(self) -> None:
        expected = (len(self.scores), len(self.sizes), len(self.methods))
        if self.scores.shape != expected or len(self.scores) < 2 or len(self.methods) < 2:
            raise InputError(
                "A curve needs at least two draws and two methods, and a score for each draw, size "
                f"and method, got scores of shape {self.scores.shape}, {len(self.sizes)} sizes and "
                f"{len(self.methods)} methods."
            )
        if not np.isfinite(self.scores).all():
            raise InputError(f"{np.sum(~np.isfinite(self.scores))} scores are not finite numbers.")
        if not all(
            0 < small < large for small, large in zip(self.sizes, self.sizes[1:], strict=False)
        ):
            raise InputError(f"Sizes must be above 0 and ascend, got {list(self.sizes)}.")

    def start(self, method: str | None = None) -> Interval:
        """Return the gain over the baseline with the smallest number of labels: the higher start.

        Parameters
        ----------
        method : str, optional
            Name of the method, by default the first one.

        Raises
        ------
        InputError
            If no method has this name.
        """
        return self._mean(self.scores[:, 0, self._column(method)] - self.scores[:, 0, -1])

    def slope(self, method: str | None = None) -> Interval:
        """Return the mean gain in score from twice as many labels.

        Parameters
        ----------
        method : str, optional
            Name of the method, by default the first one.

        Raises
        ------
        InputError
            If no method has this name, or there is only one size.
        """
        column = self._column(method)
        if len(self.sizes) < 2:
            raise InputError(f"A slope needs at least two sizes, got {list(self.sizes)}.")
        doublings = np.log2(self.sizes) - np.mean(np.log2(self.sizes))
        return self._mean(self.scores[:, :, column] @ doublings / (doublings @ doublings))

    def asymptote(self, method: str | None = None) -> Interval:
        """Return the score that the method approaches with more and more labels [1]_.

        It is extrapolated by a power law, and correct only if the score follows one.

        Parameters
        ----------
        method : str, optional
            Name of the method, by default the first one.

        Raises
        ------
        InputError
            If no method has this name, or there are fewer than four sizes.

        References
        ----------
        .. [1] Viering and Loog, "The Shape of Learning Curves: A Review", TPAMI 2023,
           arXiv:2103.10948.
        """
        return Interval(*_with_quantiles(self._laws[self._column(method)].asymptote))

    def break_even(self, method: str | None = None) -> LabelCount:
        """Return the number of labels with which the baseline is as good as the method.

        With fewer labels the method is better.

        Parameters
        ----------
        method : str, optional
            Name of the method, by default the first one.

        Returns
        -------
        LabelCount
            0 if the baseline is as good with the smallest number of labels.

        Raises
        ------
        InputError
            If no method has this name, or there are fewer than four sizes.
        """
        laws, sizes = self._laws[self._column(method)], self._between
        reached = first_reached(self._laws[-1], laws.at(sizes), sizes)
        return LabelCount(*_with_quantiles(reached), self.sizes[-1])

    def labels_saved(self, n_labels: int, method: str | None = None) -> LabelCount:
        """Return how many more labels the baseline needs to be as good as the method.

        Parameters
        ----------
        n_labels : int
            Number of labels of the method, between the smallest and the largest size.
        method : str, optional
            Name of the method, by default the first one.

        Returns
        -------
        LabelCount
            Negative if the method needs more labels than the baseline.

        Raises
        ------
        InputError
            If no method has this name, ``n_labels`` was not between the measured sizes, or there
            are fewer than four sizes.
        """
        column = self._column(method)
        if not self.sizes[0] <= n_labels <= self.sizes[-1]:
            raise InputError(
                f"{n_labels} labels are outside of the measured {self.sizes[0]} to "
                f"{self.sizes[-1]}. Choose a number between them, or measure more sizes."
            )
        scores = self._laws[column].at(np.array([float(n_labels)]))
        reached = first_reached(self._laws[-1], scores, self._between)
        return LabelCount(*_with_quantiles(reached - n_labels), self.sizes[-1] - n_labels)

    def frame(self) -> pd.DataFrame:
        """Return one row per size and method.

        Returns
        -------
        DataFrame
            Columns: ``labels``, ``method``, the mean ``score`` with its interval from ``low`` to
            ``high``, and the ``gain`` over the baseline with ``gain_low`` and ``gain_high``.
        """
        import pandas as pd

        rows = []
        for position, size in enumerate(self.sizes):
            for column, method in enumerate(self.methods):
                scores = self.scores[:, position]
                score, gain = map(
                    self._mean, (scores[:, column], scores[:, column] - scores[:, -1])
                )
                figures = (score.value, score.low, score.high, gain.value, gain.low, gain.high)
                rows.append((size, method, *figures))
        names = ["labels", "method", "score", "low", "high", "gain", "gain_low", "gain_high"]
        frame: pd.DataFrame = pd.DataFrame(rows, columns=names)
        return frame

    def summary(self) -> pd.DataFrame:
        """Return one row per method.

        Returns
        -------
        DataFrame
            Columns: ``method``; ``start``, the gain at the smallest size; ``slope``, the gain per
            doubling of the labels. With four sizes and more also ``asymptote`` and ``break_even``.
            Each has its interval in ``..._low`` and ``..._high``. The baseline has no ``start``
            and no ``break_even``, because they compare with it.
        """
        import pandas as pd

        figures: dict[str, Callable[[str], Interval | LabelCount]] = {"start": self.start}
        if len(self.sizes) > 1:
            figures["slope"] = self.slope
        if self._has_laws:
            figures |= {"asymptote": self.asymptote, "break_even": self.break_even}
        board: dict[str, Sequence[object]] = {"method": self.methods}
        for name, figure in figures.items():
            values = [figure(method) for method in self.methods]
            for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high")):
                board[name + suffix] = [getattr(value, part) for value in values]
        summary: pd.DataFrame = pd.DataFrame(board)
        compares = [name for name in summary if str(name).startswith(("start", "break_even"))]
        summary.loc[len(self.methods) - 1, compares] = np.nan
        return summary

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the mean score of each method with its interval, by number of labels.

        A dotted line marks the break-even number of labels of the first method.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            None draws into a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ConfigError
            If matplotlib is not installed. The extra ``plots`` contains it.
        """
        axes: Axes = require("matplotlib.pyplot", extra="plots").subplots()[1] if ax is None else ax
        for method, part in self.frame().groupby("method", sort=False):
            axes.plot(part["labels"], part["score"], "o-", label=str(method))
            axes.fill_between(part["labels"], part["low"], part["high"], alpha=0.15)
        axes.set_xscale("log", base=2)
        axes.set_xticks(self.sizes, [f"{size:,}" for size in self.sizes])
        if self._has_laws and 0 < self.break_even().value < np.inf:
            axes.axvline(self.break_even().value, color="grey", linestyle=":")
        axes.set_xlabel("labels")
        axes.set_ylabel("score")
        axes.legend()
        return axes

    def to_json(self) -> JsonObject:
        """Return the scores as JSON values."""
        return {
            "methods": list(self.methods),
            "sizes": list(self.sizes),
            "scores": self.scores.tolist(),
            "test_share": self.test_share,
            "limit": self.limit if np.isfinite(self.limit) else None,
        }

    @classmethod
    def from_json(cls, described: object) -> CurveScores:
        """Build the scores from the output of ``to_json``.

        Raises
        ------
        TypeError, KeyError
            If an entry is missing or has another type.
        InputError
            If the entries contradict each other.
        """
        limit = entry(described, "limit", float | None)
        return CurveScores(
            tuple(entry(described, "methods", list[str])),
            tuple(entry(described, "sizes", list[int])),
            np.array(entry(described, "scores", list[list[list[float]]]), np.float64),
            entry(described, "test_share", float | None),
            np.inf if limit is None else limit,
        )

    def __str__(self) -> str:
        text = (
            f"{self.methods[0]} against {self.methods[-1]}: {self.start()} with {self.sizes[0]} "
            f"labels"
        )
        return f"{text}, break-even at {self.break_even()}" if self._has_laws else text

    def _repr_html_(self) -> str:
        return self.summary().to_html(float_format="{:.3f}".format, index=False)

    def _column(self, method: str | None) -> int:
        if method is None:
            return 0
        if method not in self.methods:
            raise InputError(f"No method is called {method!r}. {suggest(method, self.methods)}")
        return self.methods.index(method)

    def _mean(self, values: FloatArray) -> Interval:
        """Return the mean over the draws with its interval."""
        if self.test_share is None:
            return paired_interval(values)
        return resampled_interval(values, test_share=self.test_share, limit=self.limit)

    @property
    def _has_laws(self) -> bool:
        return len(self.sizes) >= MIN_SIZES

    @property
    def _between(self) -> FloatArray:
        return sizes_between(np.array(self.sizes, np.float64))

    @cached_property
    def _laws(self) -> list[PowerLaws]:
        """Curves of each method: first that of the mean scores, then those of the replicates."""
        if not self._has_laws:
            raise InputError(
                f"A curve needs at least {MIN_SIZES} sizes, got {list(self.sizes)}. Measure more."
            )
        means = np.concatenate([self.scores.mean(axis=0)[None], self._replicates()])
        sizes = np.array(self.sizes, np.float64)
        return [PowerLaws.fit(sizes, part, limit=self.limit) for part in np.moveaxis(means, 2, 0)]

    def _replicates(self) -> FloatArray:
        """Draw mean scores (n_replicates, n_sizes, n_methods) from a multivariate t distribution.

        It has the covariance of the draws, so that noise that sizes and methods share stays shared.
        """
        n_draws = len(self.scores)
        rng = np.random.default_rng(0)
        normal = rng.standard_normal((_REPLICATES, n_draws))
        tails = np.sqrt((n_draws - 1) / rng.chisquare(n_draws - 1, size=_REPLICATES))
        share = self.test_share or 0.0
        scale = np.sqrt((1 / n_draws + share / (1 - share)) / (n_draws - 1))
        mean = self.scores.mean(axis=0)
        noise = np.tensordot(tails[:, None] * normal, self.scores - mean, axes=1)
        replicates: FloatArray = mean + scale * noise
        return replicates


def _with_quantiles(values: FloatArray) -> tuple[float, float, float]:
    """Return the first value, and the 95 % interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975], method="nearest")
    return float(values[0]), float(low), float(high)

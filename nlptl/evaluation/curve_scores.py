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
from nlptl.evaluation.intervals import Interval, resampled_interval
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
        Minus infinity is at most ``smallest``, infinity is more than ``largest``: the number lies
        outside of the measured sizes.
    smallest, largest : int
        Limits of what was measured.
    """

    value: float
    low: float
    high: float
    smallest: int
    largest: int

    def __str__(self) -> str:
        value, low, high = map(self._as_text, (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    def _as_text(self, number: float) -> str:
        if np.isfinite(number):
            return f"{number:.0f}"
        return f"more than {self.largest}" if number > 0 else f"at most {self.smallest}"


@dataclass(frozen=True, eq=False)
class CurveScores:
    """Scores of methods by number of labels, on the same rows.

    All intervals are 95 % intervals. They include how the score varies with the drawn rows.

    Attributes
    ----------
    methods : tuple of str
        Names of the methods. The last one is the baseline, usually without transfer.
    sizes : tuple of int
        Numbers of labels, in ascending order.
    scores : ndarray of shape (n_draws, n_sizes, n_methods)
        Score of each method. Within a draw, larger training sets contain the smaller ones.
    overlaps : sequence of float, optional
        For each size, the share of the rows that two draws have in common, below 1. It widens the
        intervals. None is for independent draws.
    lowest, limit : float
        Smallest and largest possible score. For accuracy, they are 0 and 1.
    resolution : float
        Smallest possible step of a score, such as 1 divided by the number of test rows.

    Raises
    ------
    InputError
        If there are fewer than two draws or two methods, a score is not finite, or the shapes do
        not agree.
    """

    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    scores: FloatArray
    overlaps: Sequence[float] | None = None
    lowest: float = 0.0
    limit: float = 1.0
    resolution: float = 0.0

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
        if not self.sizes or self.sizes[0] < 1 or not (np.diff(self.sizes) > 0).all():
            raise InputError(f"Sizes must be above 0 and ascend, got {list(self.sizes)}.")
        if (
            len(self._shared) != len(self.sizes)
            or not ((self._shared >= 0) & (self._shared < 1)).all()
        ):
            raise InputError(
                f"Each of the {len(self.sizes)} sizes needs an overlap from 0 to below 1, got "
                f"{self.overlaps}."
            )

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
        gains = self.scores[:, 0, self._column(method)] - self.scores[:, 0, -1]
        return self._mean(gains, self._shared[0]).within(-self._span, self._span)

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
        slopes = self.scores[:, :, column] @ doublings / (doublings @ doublings)
        return self._mean(slopes, self._shared.max())

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
        """Return the first number of labels with which the baseline is as good as the method.

        With fewer labels, the method is better. A method that is worse with few labels and better
        with many has no such number: then it is minus infinity, and ``frame`` shows the gains.

        Parameters
        ----------
        method : str, optional
            Name of the method, by default the first one.

        Returns
        -------
        LabelCount
            Minus infinity if the baseline is as good with the smallest number of labels.

        Raises
        ------
        InputError
            If no method has this name, or there are fewer than four sizes.
        """
        laws, sizes = self._laws[self._column(method)], self._between
        reached = first_reached(self._laws[-1], laws.at(sizes), sizes)
        return LabelCount(*_with_quantiles(reached), self.sizes[0], self.sizes[-1])

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
            Negative if the method needs more labels than the baseline. Minus infinity if the
            baseline is as good with the smallest number of labels.

        Raises
        ------
        InputError
            If no method has this name, ``n_labels`` is not between the measured sizes, or there
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
        limits = (self.sizes[0] - n_labels, self.sizes[-1] - n_labels)
        return LabelCount(*_with_quantiles(reached - n_labels), *limits)

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
            overlap, scores = self._shared[position], self.scores[:, position]
            for column, method in enumerate(self.methods):
                score = self._mean(scores[:, column], overlap).within(self.lowest, self.limit)
                gain = self._mean(scores[:, column] - scores[:, -1], overlap)
                gain = gain.within(-self._span, self._span)
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
        if self._has_laws and np.isfinite(self.break_even().value):
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
            "overlaps": self._shared.tolist(),
            "lowest": self.lowest if np.isfinite(self.lowest) else None,
            "limit": self.limit if np.isfinite(self.limit) else None,
            "resolution": self.resolution,
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
        lowest, limit = (entry(described, name, float | None) for name in ("lowest", "limit"))
        return CurveScores(
            tuple(entry(described, "methods", list[str])),
            tuple(entry(described, "sizes", list[int])),
            np.array(entry(described, "scores", list[list[list[float]]]), np.float64),
            tuple(entry(described, "overlaps", list[float])),
            -np.inf if lowest is None else lowest,
            np.inf if limit is None else limit,
            entry(described, "resolution", float),
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

    def _mean(self, values: FloatArray, overlap: float) -> Interval:
        """Return the mean over draws that share some rows, with its interval."""
        return resampled_interval(values, test_share=overlap, resolution=self.resolution)

    @property
    def _shared(self) -> FloatArray:
        return np.zeros(len(self.sizes)) if self.overlaps is None else np.array(self.overlaps)

    @property
    def _span(self) -> float:
        """Largest possible difference of two scores."""
        return self.limit - self.lowest

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
        # As in resampled_interval: draws that share rows differ less than draws from new data.
        variance = 1 / n_draws + self._shared / (1 - self._shared)
        scale = np.sqrt(variance / (n_draws - 1))[:, None]
        mean = self.scores.mean(axis=0)
        noise = np.tensordot(tails[:, None] * normal, self.scores - mean, axes=1)
        replicates: FloatArray = mean + scale * noise
        return replicates


def _with_quantiles(values: FloatArray) -> tuple[float, float, float]:
    """Return the first value, and the 95 % interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975], method="nearest")
    return float(values[0]), float(low), float(high)

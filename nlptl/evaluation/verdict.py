"""Result of comparing methods with a baseline on the same test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.described import entry, make
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import JsonObject
from nlptl.base.renamed import RenamedAttribute
from nlptl.base.suggestions import suggest
from nlptl.evaluation.former_verdicts import in_present_form
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.prior_gains import PriorGain

if TYPE_CHECKING:
    import pandas as pd

HELPS, HURTS, UNCLEAR, NOT_COMPARED = "helps", "hurts", "no clear difference", "not compared"

KEEP_BEST, KEEP_IF_HELPS, KEEP_UNLESS_HURTS = KEEP_RULES = ("best", "if_helps", "unless_hurts")
"""Rules for the method to keep: the best one; the best one if it helps, else the baseline; the
first one unless it hurts."""

_ROUNDING = 1e-9
"""Tolerance for rounding: the mean of differences that cancel out may be slightly below 0."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """Result of comparing one or more methods with a baseline on the same test rows.

    Attributes
    ----------
    methods : tuple of str
        Names of the methods in order of preference. The last one is the baseline.
    scores : ndarray of shape (n_splits, n_methods)
        Score of each method on the test rows of each split. One set of held-out rows is one split.
        Without a comparison there is no split.
    gains : dict of str to Interval
        Mean gain of each method over the baseline. A positive gain is an improvement, also for
        metrics where lower is better.
    kept : str
        The method to use. Among equally good methods, it is the first one.
    metric : str
        Name of the score.
    n_rows : int
        Number of rows that are test rows of at least one split.
    prior : PriorGain or None
        Gains of the first method on other data.
    costs : dict of str to MethodCost
        Time and size of each method; empty if they were not measured.
    """

    methods: tuple[str, ...]
    scores: FloatArray
    gains: Mapping[str, Interval]
    kept: str
    metric: str = "score"
    n_rows: int = 0
    prior: PriorGain | None = None
    costs: Mapping[str, MethodCost] = field(default_factory=dict)

    says = RenamedAttribute("outcome")
    opens = RenamedAttribute("accepted")
    experience = RenamedAttribute("prior")
    rows = RenamedAttribute("n_rows")

    @classmethod
    def decide(
        cls,
        methods: Sequence[str],
        scores: FloatArray,
        gains: Mapping[str, Interval],
        *,
        keep: str = KEEP_BEST,
        metric: str = "score",
        n_rows: int = 0,
    ) -> Self:
        """Build a verdict, and choose the method to keep by a rule.

        Parameters
        ----------
        methods, scores, gains, metric, n_rows
            As in ``Verdict``.
        keep : {"best", "if_helps", "unless_hurts"}
            ``"best"`` keeps the method with the highest gain. ``"if_helps"`` keeps the baseline
            unless the interval of that gain lies above 0, because the best of several results on
            few rows is often due to chance. ``"unless_hurts"`` keeps the first method unless the
            interval of its gain lies below 0.

        Raises
        ------
        ConfigError
            If the rule does not exist.
        """
        if keep not in KEEP_RULES:
            raise ConfigError(f"keep={keep!r} is not a rule. {suggest(str(keep), KEEP_RULES)}")
        first, baseline = methods[0], methods[-1]
        kept = _best(methods, {name: gain.value for name, gain in gains.items()})
        if keep == KEEP_IF_HELPS and kept in gains and gains[kept].low <= 0:
            kept = baseline
        if keep == KEEP_UNLESS_HURTS:
            kept = baseline if first in gains and gains[first].high < 0 else first
        return cls(tuple(methods), scores, dict(gains), kept, metric, n_rows)

    @classmethod
    def without_comparison(cls, method: str, *, metric: str = "score") -> Self:
        """Return the verdict for a method that is kept without a comparison."""
        return cls((method,), np.zeros((0, 1)), {}, method, metric)

    @property
    def name(self) -> str:
        """Name of the first method."""
        return self.methods[0]

    @property
    def against(self) -> str:
        """Name of the baseline."""
        return self.methods[-1]

    @property
    def gain(self) -> Interval:
        """Gain of the first method over the baseline.

        Raises
        ------
        InputError
            If the method was not compared.
        """
        if self.name not in self.gains:
            raise InputError(
                f"{self.name!r} was not compared with another method, so there is no gain. "
                "Look at gains, which is empty then."
            )
        return self.gains[self.name]

    @property
    def figures(self) -> dict[str, float]:
        """Mean score of each method over the splits; empty without a comparison."""
        if not len(self.scores):
            return {}
        means = self.scores.mean(axis=0).tolist()
        return dict(zip(self.methods, means, strict=True))

    @property
    def outcome(self) -> str:
        """Effect of the first method without the prior.

        It is ``"helps"``, ``"hurts"``, ``"no clear difference"`` or ``"not compared"``.
        """
        return _outcome(self.gains.get(self.name))

    @property
    def accepted(self) -> bool:
        """True if the first method is kept."""
        return self.kept == self.name

    def leaderboard(self) -> pd.DataFrame:
        """Return one row per method, the highest mean score first.

        Returns
        -------
        DataFrame
            Columns: ``method``, the metric, its ``spread`` (standard deviation over the splits),
            ``gain`` over the baseline with its 95 % interval from ``low`` to ``high``, and the
            ``outcome``. If costs were measured: ``fit_seconds``, ``score_seconds``, ``mebibytes``.
        """
        import pandas as pd

        board = pd.DataFrame({"method": self.methods})
        if len(self.scores):
            board[self.metric] = self.scores.mean(axis=0)
            board["spread"] = self.scores.std(axis=0)
        gains = [self.gains.get(name) for name in self.methods]
        for name in ("value", "low", "high"):
            column = [np.nan if gain is None else getattr(gain, name) for gain in gains]
            board["gain" if name == "value" else name] = column
        board["outcome"] = [_outcome(gain) for gain in gains[:-1]] + ["baseline"]
        for name in ("fit_seconds", "score_seconds", "mebibytes") if self.costs else ():
            board[name] = [getattr(self.costs.get(method), name, None) for method in self.methods]
        board = board.dropna(axis=1, how="all")
        if len(self.scores):
            board = board.sort_values(self.metric, ascending=False, kind="stable")
        ranked: pd.DataFrame = board.reset_index(drop=True)
        return ranked

    def _repr_html_(self) -> str:
        board = self.leaderboard().to_html(float_format="{:.3f}".format, na_rep="", index=False)
        return f"<p>{escape(str(self))}</p>{board}"

    def with_prior(self, prior: PriorGain | None) -> Self:
        """Return the same verdict with gains of the first method on other data as its prior.

        The expected gain of the first method then combines the splits with the prior, which has
        more weight if the splits disagree. The prior changes ``kept``, not ``outcome``.
        """
        expected = {name: gain.value for name, gain in self.gains.items()}
        if prior is not None:
            expected[self.name] = prior.weighed(self.gain)
        return replace(self, prior=prior, kept=_best(self.methods, expected))

    def to_json(self) -> JsonObject:
        """Return the verdict as JSON values."""
        return {
            "methods": list(self.methods),
            "outcome": self.outcome,
            "kept": self.kept,
            "metric": self.metric,
            "n_rows": self.n_rows,
            "gains": {name: asdict(gain) for name, gain in self.gains.items()},
            "scores": self.scores.tolist(),
            "prior": None if self.prior is None else asdict(self.prior),
            "costs": {name: asdict(cost) for name, cost in self.costs.items()},
        }

    @classmethod
    def from_json(cls, described: object) -> Self:
        """Build a verdict from the output of ``to_json``, of this release or of an earlier one.

        Raises
        ------
        TypeError, KeyError
            If an entry is missing or has another type.
        ValueError
            If the entries contradict each other.
        """
        described = in_present_form(described)
        methods = tuple(entry(described, "methods", list[str]))
        scores = np.array(entry(described, "scores", list[list[float]]), np.float64)
        gains = entry(described, "gains", dict[str, object]).items()
        prior = entry(described, "prior", dict[str, object] | None)
        kept = entry(described, "kept", str | None)
        costs = entry({"costs": {}, **described}, "costs", dict[str, object]).items()
        verdict = cls.decide(
            methods,
            scores.reshape(-1, len(methods)),
            {name: make(Interval, gain) for name, gain in gains},
            metric=entry(described, "metric", str),
            n_rows=entry(described, "n_rows", int),
        )
        if not methods or not {*verdict.gains, kept or verdict.kept} <= set(methods):
            raise ValueError(f"a verdict on {methods} that names other methods")
        if prior is not None:
            verdict = verdict.with_prior(make(PriorGain, prior))
        verdict = replace(verdict, costs={name: make(MethodCost, cost) for name, cost in costs})
        return verdict if kept is None else replace(verdict, kept=kept)

    def __str__(self) -> str:
        if self.name not in self.gains:
            return f"{self.name}: not compared"
        splits = "held-out rows" if len(self.scores) == 1 else f"{len(self.scores)} splits"
        gain = str(self.gain)
        if len(self.scores) == 2 and self.outcome == UNCLEAR:  # the interval says nothing then
            gain, splits = f"{self.gain.value:.3f}", f"{splits}, too few for an interval"
        text = f"{self.name} against {self.against}: {self.outcome}, {gain} on {splits}"
        note = note_on_prior(self)
        return f"{text}, {note}" if note else text


def note_on_prior(verdict: Verdict) -> str:
    """Return a note on the prior if it changed the decision, else an empty string."""
    prior = verdict.prior
    if prior is None or verdict.accepted == (verdict.gain.value >= -_ROUNDING):
        return ""
    return f"but {prior.gain:+.3f} on other data"


def _outcome(gain: Interval | None) -> str:
    if gain is None:
        return NOT_COMPARED
    if gain.low > 0:
        return HELPS
    return HURTS if gain.high < 0 else UNCLEAR


def _best(methods: Sequence[str], expected_gains: Mapping[str, float]) -> str:
    """Return the first of the methods with the highest expected gain; the baseline has gain 0."""
    expected = {name: expected_gains.get(name, 0.0) for name in methods}
    highest = max(expected.values())
    return next(name for name in methods if expected[name] >= highest - _ROUNDING)

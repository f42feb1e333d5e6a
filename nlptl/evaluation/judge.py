"""Paired comparison of two estimators on repeated splits of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone, is_regressor
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.described import entry
from nlptl.base.errors import InputError
from nlptl.base.progress import progress_bar
from nlptl.base.renamed import RenamedAttribute
from nlptl.data.labels import LabelValues, as_values, values_at
from nlptl.data.rows import Rows, as_rows
from nlptl.data.splits import stratified_folds
from nlptl.evaluation.intervals import Interval, resampled_interval
from nlptl.evaluation.prior_gains import PriorGain

HELPS, HURTS, UNCLEAR = "helps", "hurts", "no clear difference"

_ROUNDING = 1e-9
"""Tolerance for rounding: the mean of differences that cancel out may be slightly below 0."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """Result of a paired comparison of a method with a baseline.

    Attributes
    ----------
    name, against : str
        Names of the method and of the baseline.
    scores : ndarray of shape (n_splits, 2)
        Scores of the method and of the baseline on the same test rows of each split.
    gain : Interval
        Mean difference of the scores. The interval takes into account that splits share rows.
    prior : PriorGain or None
        Gains of the method on other data.
    """

    name: str
    against: str
    scores: FloatArray
    gain: Interval
    prior: PriorGain | None = None

    says = RenamedAttribute("outcome")
    opens = RenamedAttribute("accepted")
    besides = RenamedAttribute("prior_note")
    experience = RenamedAttribute("prior")

    @property
    def outcome(self) -> str:
        """Outcome without the prior: ``"helps"``, ``"hurts"`` or ``"no clear difference"``."""
        if self.gain.low > 0:
            return HELPS
        return HURTS if self.gain.high < 0 else UNCLEAR

    @property
    def accepted(self) -> bool:
        """True if the expected gain is not negative, combining the splits with prior results."""
        expected = self.gain.value
        if self.prior is not None:
            expected = self.prior.weighed(self.gain)
        return expected >= -_ROUNDING

    def with_prior(self, prior: PriorGain | None) -> Verdict:
        """Return the same verdict with gains on other data as its prior.

        The prior has more weight if the splits disagree. It changes ``accepted``, not ``outcome``.
        """
        return replace(self, prior=prior)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return {
            "name": self.name,
            "against": self.against,
            "says": self.outcome,
            "gain": [self.gain.value, self.gain.low, self.gain.high],
            "scores": self.scores.tolist(),
            "experience": self.prior and [self.prior.gain, self.prior.spread],
        }

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Build a verdict from the output of ``to_json``."""
        gain = Interval(*entry(described, "gain", tuple[float, float, float]))
        prior = None
        if described.get("experience") is not None:
            prior = PriorGain(*entry(described, "experience", tuple[float, float]))
        name, against = (entry(described, part, str) for part in ("name", "against"))
        return cls(name, against, np.array(entry(described, "scores", list[Any])), gain, prior)

    def __str__(self) -> str:
        n = len(self.scores)
        text = f"{self.name} {self.outcome} against {self.against}: {self.gain} on {n} splits"
        return f"{text}, {self.prior_note}" if self.prior_note else text

    @property
    def prior_note(self) -> str:
        """Note on the prior if it changed the decision, else empty."""
        if self.prior is None or self.accepted == (self.gain.value >= -_ROUNDING):
            return ""
        return f"but {self.prior.gain:+.3f} on other data"


def judge(
    pair: Mapping[str, Any],
    texts: Any,
    answers: Any,
    *,
    splits: Splits | None = None,
    score: Callable[[Any, Rows, Any], float] | None = None,
    fit_params: Mapping[str, Mapping[str, Any]] | None = None,
) -> Verdict:
    """Compare two estimators on repeated splits of the same rows, pair by pair [1]_.

    Parameters
    ----------
    pair : mapping of str to estimator
        The estimator to judge and the baseline, each by its name. Both need ``fit`` and
        ``score`` and are cloned for each split.
    texts, answers
        Texts and their labels or numbers, as for ``TextClassifier.fit``.
    splits : Splits, optional
        Training and test rows, by default two rounds of five folds. If the iteration over
        ``splits.of`` ends early, the verdict is based on the splits so far.
    score : callable, optional
        Function from a fitted estimator, rows and answers to a number, where higher is better.
        The default is ``estimator.score``.
    fit_params : mapping of str to mapping, optional
        Additional arguments of ``fit``, by estimator name.

    Returns
    -------
    Verdict

    Raises
    ------
    InputError
        If there are not exactly two estimators, or fewer rows than folds.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003.
    """
    if len(pair) != 2:
        raise InputError(
            f"judge compares exactly two estimators, got {len(pair)}. Pass two by name."
        )
    rows, plain = as_rows(texts), as_values(answers)
    if len(rows) != len(plain):
        raise InputError(
            f"Each text needs one answer, got {len(rows)} texts and {len(plain)} answers."
        )
    measure = _default_score if score is None else score
    numeric = all(is_regressor(model) for model in pair.values())
    row_splits = (splits or Splits()).of(plain, numeric=numeric)
    pairs, test_shares = [], []
    with progress_bar(total=len(row_splits), unit="split", description="Judging") as bar:
        for train, test in row_splits:
            training = rows.take(train), values_at(plain, train)
            testing = rows.take(test), values_at(plain, test)
            fitted = [
                clone(model).fit(*training, **(fit_params or {}).get(name, {}))
                for name, model in pair.items()
            ]
            pairs.append([measure(model, *testing) for model in fitted])
            test_shares.append(len(test) / len(rows))
            bar.update(1)
    scores = np.array(pairs)
    share = float(np.mean(test_shares))
    step = 1 / (share * len(rows)) if score is None and not numeric else 0.0
    gain = resampled_interval(scores[:, 0] - scores[:, 1], test_share=share, resolution=step)
    name, against = pair
    return Verdict(name, against, scores, gain)


@dataclass(frozen=True)
class Splits:
    """Repeated stratified cross-validation.

    Attributes
    ----------
    folds : int
        Number of folds per round, at least 2.
    rounds : int
        Number of times the rows are assigned to folds.
    seed : int
        Seed of the assignment of rows to folds.
    """

    folds: int = 5
    rounds: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or self.rounds < 1:
            raise InputError(
                f"Splits need at least two folds and one round, got folds={self.folds}, "
                f"rounds={self.rounds}."
            )

    def of(self, answers: LabelValues, *, numeric: bool = False) -> list[tuple[IntArray, IntArray]]:
        """Return the training rows and the test rows of each split.

        Parameters
        ----------
        answers : list or Indicator
            One answer per row.
        numeric : bool
            True if the answers are numbers. Then each fold gets low and high numbers.

        Raises
        ------
        InputError
            If there are fewer rows than folds.
        """
        if len(answers) < self.folds:
            raise InputError(
                f"{self.folds} folds need at least {self.folds} rows, got {len(answers)}. "
                "Use fewer folds."
            )
        codes = np.array(answers, np.float64) if numeric else _codes(answers)
        rounds = [
            stratified_folds(codes, self.folds, seed=self.seed + number)
            for number in range(self.rounds)
        ]
        return [
            (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for folds in rounds
            for fold in range(self.folds)
        ]


def _codes(answers: LabelValues) -> IntArray:
    """Return one integer code per distinct answer."""
    names = [repr(answer) for answer in answers]
    codes: IntArray = np.unique(names, return_inverse=True)[1]
    return codes


def _default_score(model: Any, rows: Rows, answers: Any) -> float:
    return float(model.score(rows, answers))

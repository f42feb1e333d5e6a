"""The gate: whether something helps on the rows at hand, or is left out."""

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
"""A mean of equal scores may come out as a little below 0."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What paired splits say of something, held against leaving it out.

    Attributes
    ----------
    name, against : str
        What was judged, and what it was held against.
    scores : ndarray of shape (n_splits, 2)
        With it, and without it, on the same rows of each split.
    gain : Interval
        Of the difference; it allows for splits that share rows.
    prior : PriorGain or None
        Gains seen on other data.
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
        """``"helps"``, ``"hurts"`` or ``"no clear difference"``."""
        if self.gain.low > 0:
            return HELPS
        return HURTS if self.gain.high < 0 else UNCLEAR

    @property
    def accepted(self) -> bool:
        """True if the expected gain is not negative, combining the splits with prior results."""
        seen = self.gain.value
        if self.prior is not None:
            seen = self.prior.weighed(self.gain)
        return seen >= -_ROUNDING

    def with_prior(self, prior: PriorGain | None) -> Verdict:
        """Return the same verdict combined with gains seen on other data.

        They count more where the splits agree less. This changes ``accepted``, not ``outcome``.
        """
        return replace(self, prior=prior)

    def to_json(self) -> dict[str, Any]:
        """Describe the verdict with plain JSON values."""
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
        """Read what ``to_json`` gave."""
        gain = Interval(*entry(described, "gain", tuple[float, float, float]))
        known = None
        if described.get("experience") is not None:
            known = PriorGain(*entry(described, "experience", tuple[float, float]))
        name, against = (entry(described, part, str) for part in ("name", "against"))
        return cls(name, against, np.array(entry(described, "scores", list[Any])), gain, known)

    def __str__(self) -> str:
        n = len(self.scores)
        said = f"{self.name} {self.outcome} against {self.against}: {self.gain} on {n} splits"
        return f"{said}, {self.prior_note}" if self.prior_note else said

    @property
    def prior_note(self) -> str:
        """What other data say, where it turned the decision; else empty."""
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
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> Verdict:
    """Hold two estimators against each other on repeated, paired splits of the same rows [1]_.

    Parameters
    ----------
    pair : mapping of str to estimator
        What is judged, and what it is held against, each by its name: anything with ``fit`` and
        ``score``. Both are cloned for each split.
    texts, answers
        The rows at hand, as for ``TextClassifier.fit``.
    splits : Splits, optional
        Which rows are learnt from and tested on; by default two rounds of five folds. Where what
        its ``of`` gives ends early, the splits so far are judged.
    score : callable, optional
        Takes a fitted estimator, rows and answers; gives a number, the higher the better.
        Without it ``estimator.score`` is taken.
    given : mapping of str to mapping, optional
        Further arguments of ``fit``, by the name of the estimator that gets them.

    Returns
    -------
    Verdict

    Raises
    ------
    InputError
        If there are not two estimators, or fewer rows than folds.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003.
    """
    if len(pair) != 2:
        raise InputError(f"Two estimators are held against each other, got {len(pair)}.")
    rows, plain = as_rows(texts), as_values(answers)
    if len(rows) != len(plain):
        raise InputError(f"Each text needs one answer, got {len(rows)} texts and {len(plain)}.")
    measure = _own_score if score is None else score
    numeric = all(is_regressor(model) for model in pair.values())
    dealt = (splits or Splits()).of(plain, numeric=numeric)
    found, tested = [], []
    with progress_bar(total=len(dealt), unit="split", description="Judging") as bar:
        for seen, hidden in dealt:
            some = rows.take(seen), values_at(plain, seen)
            asked = rows.take(hidden), values_at(plain, hidden)
            fitted = [
                clone(model).fit(*some, **(given or {}).get(name, {}))
                for name, model in pair.items()
            ]
            found.append([measure(model, *asked) for model in fitted])
            tested.append(len(hidden) / len(rows))
            bar.update(1)
    scores = np.array(found)
    share = float(np.mean(tested))
    step = 1 / (share * len(rows)) if score is None and not numeric else 0.0
    gain = resampled_interval(scores[:, 0] - scores[:, 1], test_share=share, resolution=step)
    name, against = pair
    return Verdict(name, against, scores, gain)


@dataclass(frozen=True)
class Splits:
    """Folds dealt several times over, each class spread evenly.

    Attributes
    ----------
    folds : int
        Of each round, at least 2.
    rounds : int
        How often the rows are dealt.
    seed : int
    """

    folds: int = 5
    rounds: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or self.rounds < 1:
            raise InputError(
                f"Splits need two folds and one round at least, got {self.folds} and {self.rounds}."
            )

    def of(self, answers: LabelValues, *, numeric: bool = False) -> list[tuple[IntArray, IntArray]]:
        """Give the rows to learn from and to test on, for each split.

        Parameters
        ----------
        answers : list or Indicator
            One a row.
        numeric : bool
            They are numbers, of which each fold gets low and high ones.

        Raises
        ------
        InputError
            If there are fewer rows than folds.
        """
        if len(answers) < self.folds:
            raise InputError(
                f"{self.folds} folds need as many rows, got {len(answers)}. Ask for fewer folds."
            )
        codes = np.array(answers, np.float64) if numeric else _codes(answers)
        each = [
            stratified_folds(codes, self.folds, seed=self.seed + place)
            for place in range(self.rounds)
        ]
        return [
            (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for folds in each
            for fold in range(self.folds)
        ]


def _codes(answers: LabelValues) -> IntArray:
    """Give each distinct answer a number, whatever it is."""
    names = [repr(answer) for answer in answers]
    codes: IntArray = np.unique(names, return_inverse=True)[1]
    return codes


def _own_score(model: Any, rows: Rows, answers: Any) -> float:
    return float(model.score(rows, answers))

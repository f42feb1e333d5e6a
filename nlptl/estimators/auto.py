"""Choosing the transfer by what the labelled rows at hand say of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Self

from nlptl.base.errors import ConfigError, NlptlError
from nlptl.base.specs import Spec
from nlptl.data.corpus import as_corpora
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.estimators.fitting.contrasting import contrast_config
from nlptl.estimators.fitting.transfers import as_transfers
from nlptl.estimators.fitting.tuning import tuning_config
from nlptl.evaluation.gate import Splits, Verdict, judge
from nlptl.transfer import (
    Contrastive,
    Frozen,
    FullFineTune,
    LabelMeaning,
    SelfTraining,
    WordEdits,
)

_FEW, _MANY = 200, 300
"""Fewer rows are dealt more often; with this many a whole encoder is worth a trial."""

_CONTRASTED = 1_000
"""With more rows comparing texts is not tried: there are enough for all weights."""

_STEP = 4.0
"""Seconds of a training step, in forward passes of its rows."""

_TIMED = 16


@dataclass(frozen=True)
class Auto(Spec):
    """Whichever transfer the labelled rows at hand speak for, within a budget of time.

    It begins with the encoder as it is, and adds one thing after the other: what the names of the
    classes mean, texts of a class drawn together (up to 1,000 rows), edited copies of the texts,
    texts without labels where ``fit`` is given some, all weights tuned (from 300 rows). Each has
    to pass a gate, repeated paired splits of the rows at hand on which it does not lose in the
    mean; what the budget has no time to try is left out, or, where a single fit fits in, taken
    where experience speaks for it. ``model.transfer_verdict_`` says what was tried.

    Parameters
    ----------
    budget_seconds : float
        For all of it, the last fit included; above 0. It is kept to as far as times can be
        foretold from a few forward passes.
    names : mapping or sequence of (label, text), optional
        What labels mean, as in ``LabelMeaning``.
    """

    budget_seconds: float = 60.0
    names: Any = ()

    carries: ClassVar[str] = "whatever helps"

    def __post_init__(self) -> None:
        if not self.budget_seconds > 0:
            raise ConfigError(f"budget_seconds must be above 0, got {self.budget_seconds}.")
        object.__setattr__(self, "names", LabelMeaning(self.names).names)


@dataclass(frozen=True, eq=False)
class Trial:
    """One thing that was weighed.

    Attributes
    ----------
    name : str
    verdict : Verdict or None
        None where it was not tried.
    used : bool
    seconds : float
        What the trial took.
    note : str
        Why it was not tried, or used untried.
    """

    name: str
    verdict: Verdict | None
    used: bool
    seconds: float
    note: str = ""


@dataclass(eq=False)
class Choice:
    """What was chosen, and what was tried on the way.

    Attributes
    ----------
    transfer : transfer or list of transfers
    name : str
    trials : list of Trial
    """

    transfer: Any = field(default_factory=Frozen)
    name: str = "frozen"
    trials: list[Trial] = field(default_factory=list)

    @property
    def verdicts(self) -> dict[str, str]:
        """What the gate said of each thing: helps, hurts, no clear difference, or not tried."""
        return {t.name: t.verdict.says if t.verdict else "not tried" for t in self.trials}

    def to_json(self) -> dict[str, Any]:
        """Describe what was tried with plain JSON values; the transfer is the model's."""
        told = [
            {
                "name": trial.name,
                "verdict": trial.verdict and trial.verdict.to_json(),
                "used": trial.used,
                "seconds": trial.seconds,
                "note": trial.note,
            }
            for trial in self.trials
        ]
        return {"name": self.name, "trials": told}

    @classmethod
    def from_json(cls, described: dict[str, Any], transfer: Any) -> Self:
        """Read what ``to_json`` gave."""
        trials = [
            Trial(**{**told, "verdict": told["verdict"] and Verdict.from_json(told["verdict"])})
            for told in described["trials"]
        ]
        return cls(transfer, described["name"], trials)

    def __str__(self) -> str:
        lines = [
            f"{trial.name}: {trial.verdict or 'not tried'}"
            f"{f' ({trial.note})' if trial.note else ''}"
            for trial in self.trials
        ]
        return "\n".join([*lines, f"chosen: {self.name}"])


def choose_transfer(
    make: Callable[[Any], Any],
    given: tuple[Rows, list[Any], Any],
    *,
    auto: Auto,
    numeric: bool,
) -> Choice:
    """Try what may help, cheap things first, and keep what the rows do not speak against.

    Parameters
    ----------
    make : callable
        Takes a transfer; gives an estimator that is not fitted.
    given : tuple
        Rows, a list with one answer a row, and what ``fit`` was given as ``unlabeled``.
    auto : Auto
        How much time there is.
    numeric : bool
        The answers are numbers.
    """
    rows, answers, unlabeled = given
    search = _Search(make, rows, answers, auto.budget_seconds)
    if len(rows) < 2:
        return search.choice
    if not numeric:
        search.weigh("names", "meaning", LabelMeaning(auto.names))
    encoder = make(None)._encoder()
    if not isinstance(encoder, TransformerEncoder):
        return search.choice
    n, forward = len(rows), _forward_seconds(encoder, rows)
    if not numeric and n <= _CONTRASTED:
        drawn = [Contrastive(), *search.kept]
        seen = contrast_config(as_transfers(drawn), n).epochs * n
        name = search.named("contrastive")
        search.weigh("contrastive", name, drawn, seconds=_STEP * forward * seen)
    if not (numeric or _several(answers)):
        edits = WordEdits()
        seconds = (1 + edits.copies) * search.cost + edits.copies * forward * n
        search.weigh("word edits", *search.beside("edits", edits), seconds=seconds)
    if unlabeled is not None and not (numeric or _several(answers)):
        corpora = as_corpora(unlabeled, argument="unlabeled").values()
        seconds = search.cost + forward * sum(corpus.size for corpus in corpora)
        chosen = search.beside("selftraining", SelfTraining())
        search.weigh("self-training", *chosen, seconds=seconds, given={"unlabeled": unlabeled})
    if n >= _MANY:
        drawn, seen = [FullFineTune(), *search.kept], 2 * tuning_config(n).epochs * n
        search.weigh("all weights", search.named("full"), drawn, seconds=_STEP * forward * seen)
    return search.choice


def _several(answers: list[Any]) -> bool:
    return any(isinstance(answer, list | tuple | np.ndarray) for answer in answers)


@dataclass
class _Search:
    """The time that is left, and what was kept so far."""

    make: Callable[[Any], Any]
    rows: Rows
    answers: list[Any]
    budget: float
    choice: Choice = field(default_factory=Choice)
    cost: float = 0.0
    given: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        return self.budget - (time.perf_counter() - self.started)

    @property
    def kept(self) -> list[LabelMeaning]:
        """What the names of the classes say, where that is used."""
        meaning = as_transfers(self.choice.transfer).meaning
        return [] if meaning is None else [meaning]

    def named(self, name: str) -> str:
        """Name what takes the place of what stands, but for the names of the classes."""
        return f"{name}+meaning" if self.kept else name

    def beside(self, name: str, further: Any) -> tuple[str, list[Any]]:
        """Put something beside what stands; give the name of both, and both."""
        stands = self.choice.transfer
        both = [*(stands if isinstance(stands, list) else [stands]), further]
        return (name if self.choice.name == "frozen" else f"{self.choice.name}+{name}"), both

    def weigh(
        self,
        label: str,
        name: str,
        transfer: Any,
        *,
        seconds: float = 0.0,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """Try a transfer against what stands, where there is time, and note what came of it."""
        began, verdict, note = time.perf_counter(), None, ""
        splits, stands = self._splits(seconds), self.choice
        if splits is None:
            used, note = False, "no time for it"
            if seconds <= self.left and label == "contrastive" and self._most >= 4:
                used, note = True, "no time to try it; it mostly helps"
        else:
            pair = {label: self.make(transfer), stands.name: self.make(stands.transfer)}
            further = {label: given or {}, stands.name: self.given}
            try:
                verdict = judge(pair, self.rows, self.answers, splits=splits, given=further)
                used = verdict.opens
            except NlptlError as problem:
                used, note = False, str(problem).split(". ")[0]
        took = time.perf_counter() - began
        self.choice.trials.append(Trial(label, verdict, used, took, note))
        if used:
            self.choice.transfer, self.choice.name = transfer, name
            self.cost, self.given = seconds, given or {}

    def _splits(self, seconds: float) -> Splits | None:
        """Deal the rows as often as there is time for, beside a last fit."""
        n = len(self.rows)
        folds = max(min(5, n), 2)
        if not seconds:
            return Splits(folds, 4 if n < _FEW else 1)
        for tried in (5, 4, 3, 2):
            a_fold = (seconds + self.cost) * (tried - 1) / tried
            if tried <= n and tried * a_fold + max(seconds, self.cost) <= self.left:
                return Splits(tried, 1)
        return None

    @property
    def _most(self) -> int:
        """Rows of the largest class."""
        return int(np.unique([repr(a) for a in self.answers], return_counts=True)[1].max())


def _forward_seconds(encoder: TransformerEncoder, rows: Rows) -> float:
    """Time the encoding of one row, on a few that are spread over all."""
    some = rows.take(np.unique(np.linspace(0, len(rows) - 1, _TIMED).astype(int)))
    texts = [text for row in some for text in ([row] if isinstance(row, str) else row)]
    with without_cache():
        encoder.transform(texts[:2])
        began = time.perf_counter()
        encoder.transform(texts)
    return (time.perf_counter() - began) / len(some)

"""Choosing the transfer by what the labelled rows at hand say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone, is_regressor

from nlptl.base import clock
from nlptl.base.errors import NlptlError
from nlptl.data.corpus import as_corpora
from nlptl.data.labels import LabelValues, are_lists, as_values, distinct, key_of
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.evaluation.choice import Choice, Trial
from nlptl.evaluation.judge import Splits, judge
from nlptl.evaluation.prior_gains import PriorGain
from nlptl.evaluation.timed_splits import TimedSplits
from nlptl.fitting.contrastive_stage import contrast_config
from nlptl.fitting.finetuning import TUNING
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.transfers import as_transfers
from nlptl.training.config import LoopConfig
from nlptl.training.processes import from_main
from nlptl.transfer import (
    Auto,
    Contrastive,
    Frozen,
    FullFineTune,
    LabelMeaning,
    SelfTraining,
    WordEdits,
)
from nlptl.transfer.registry import methods_by_name

MAX_ROWS_FOR_SEVERAL_ROUNDS, MIN_ROWS_TO_TUNE = 200, 300
"""Fewer rows are dealt more often; with this many a whole encoder is worth a trial."""

_MAX_ROUNDS = 4

MAX_ROWS_TO_CONTRAST = 1_000
"""With more rows comparing texts is not tried: there are enough for all weights."""

MIN_ROWS_PER_CLASS_TO_CONTRAST = 4.0
"""Rows a class, in the mean, from which comparing texts mostly helps."""

_FORWARD_PASSES_PER_STEP = 3.0
"""Seconds of a training step, in forward passes of its rows."""

_TEXTS_TO_TIME = 16

_QUICK_TRIALS_PER_BUDGET = 5
"""What takes next to no time is tried for such a part of the budget."""

_Cost = Callable[[int], float]


def _nothing(_: int) -> float:
    return 0.0


def _prior(name: str) -> PriorGain | None:
    gain = methods_by_name()[name].prior_gain
    return None if gain is None else PriorGain(*gain)


def choose_transfer(model: Any, plan: FitPlan, data: tuple[Any, Any, Any], *, auto: Auto) -> Choice:
    """Try what may help, cheap things first, and keep what the rows do not speak against.

    Parameters
    ----------
    model : TextModel
        Not fitted; trials are clones of it.
    plan : FitPlan
        What its parameters describe.
    data : tuple
        Texts, answers and what ``fit`` was given as ``unlabeled``.
    auto : Auto
        How much time there is, and what labels mean. With names there may be no rows.
    """
    texts, answers, unlabeled = data
    answers = as_values(answers)
    rows = Rows([]) if auto.names and not len(answers) else plan.rows(texts)
    classed, n = not is_regressor(model), len(rows)
    search = _Search(model, plan, rows, answers, auto.budget_seconds)
    encoder = plan.encoder
    learns = isinstance(encoder, TransformerEncoder)
    if learns and n > 1:
        search.forward = from_main(lambda: _forward_seconds(encoder, rows))
    contrasts = learns and classed and 1 < n <= MAX_ROWS_TO_CONTRAST
    n_classes = n if are_lists(answers) else len(distinct(answers))
    comparing = partial(contrast_config, as_transfers([Contrastive()]), n_classes=n_classes)
    if classed:
        later = search.training(comparing)(n) if contrasts else 0.0
        search.weigh_names(LabelMeaning(auto.names), later=later)
    corpora = as_corpora(unlabeled, argument="unlabeled")
    if search.kept and corpora and not n:
        name, both = search.beside("selftraining", SelfTraining())
        note = "no rows to try it on; it mostly helps"
        search.use_untried("selftraining", Choice(both, name), note, unlabeled)
    if n < 2:
        return search.choice
    if contrasts:
        drawn, cost = [Contrastive(), *search.kept], search.training(comparing)
        search.weigh("contrastive", search.named("contrastive"), drawn, cost=cost)
    if classed and not are_lists(answers):
        edits = WordEdits()
        cost = search.more(1 + edits.copies, lambda n: edits.copies * n)
        search.weigh("edits", *search.beside("edits", edits), cost=cost)
        if corpora:
            cost = search.more(1, lambda _: sum(one.size for one in corpora.values()))
            chosen = search.beside("selftraining", SelfTraining())
            search.weigh("selftraining", *chosen, cost=cost, given={"unlabeled": unlabeled})
    if learns and n >= MIN_ROWS_TO_TUNE:
        drawn, cost = [FullFineTune(), *search.kept], search.training(lambda _: TUNING, times=2)
        search.weigh("full", search.named("full"), drawn, cost=cost)
    return search.choice


@dataclass
class _Search:
    """The time that is left, and what was kept so far."""

    model: Any
    plan: FitPlan
    rows: Rows
    answers: LabelValues
    budget: float
    choice: Choice = field(default_factory=lambda: Choice(Frozen()))
    forward: float = 0.0
    cost: _Cost = _nothing
    given: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=lambda: clock.seconds())  # noqa: PLW0108 - a test may replace it

    @property
    def left(self) -> float:
        # Trials of a tuned encoder need all processes of a launch: one clock decides for them.
        found: float = from_main(lambda: self.budget - (clock.seconds() - self.started))
        return found

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

    def training(self, chosen: Callable[[int], LoopConfig], *, times: int = 1) -> _Cost:
        """Give the seconds that training takes, by the number of rows; names are rows as well."""
        classes = distinct(self.answers).tolist() if self.kept else []
        named = sum(len(own) for meaning in self.kept for own in meaning.texts(classes))

        def seconds(n: int) -> float:
            config = self.plan.config(chosen(n))
            steps: int | None = config.max_steps
            seen = config.epochs * (n + named) if steps is None else steps * config.batch_size
            return float(times * _FORWARD_PASSES_PER_STEP * self.forward * seen)

        return seconds

    def more(self, times: int, read: Callable[[int], int]) -> _Cost:
        """Give the seconds of what stands, so many times, and of reading further rows."""
        stands = self.cost
        return lambda n: times * stands(n) + self.forward * read(n)

    def weigh_names(self, meaning: LabelMeaning, *, later: float) -> None:
        """Try what names say; they are used untried where the rows cannot speak of them.

        ``later`` seconds are left to what comes after it.
        """
        note = ""
        if not are_lists(self.answers):
            told = {key_of(label) for label in meaning.labels}
            known = {key_of(label) for label in distinct(self.answers).tolist()}
            if told - known:
                note = "there are classes without rows"
            elif len(known) > 1 and self._too_few(self._splits(_nothing)):
                note = "too few rows to try it; it mostly helps"
        if not note:
            self.weigh("meaning", "meaning", meaning, later=later)
            return
        self.use_untried("meaning", Choice(meaning, "meaning"), note)

    def weigh(
        self,
        label: str,
        name: str,
        transfer: Any,
        *,
        cost: _Cost = _nothing,
        given: Mapping[str, Any] | None = None,
        later: float = 0.0,
    ) -> None:
        """Try a transfer against what stands, where there is time, and note what came of it."""
        began, verdict, note, used = clock.seconds(), None, "", False
        splits, stands, seconds = self._splits(cost, later), self.choice, cost(len(self.rows))
        if splits is None or self._too_few(splits):
            note = "no time for it" if splits is None else "too few rows to try it"
            if (
                label == "contrastive"
                and seconds <= self.left
                and self._per_class >= MIN_ROWS_PER_CLASS_TO_CONTRAST
            ):
                used, note = True, f"{note.replace('for it', 'to try it')}; it mostly helps"
        else:
            pair = {label: self._trial(transfer), stands.name: self._trial(stands.transfer)}
            further = {label: given or {}, stands.name: self.given}
            try:
                score = _micro_f1 if are_lists(self.answers) else None
                verdict = judge(
                    pair, self.rows, self.answers, splits=splits, fit_params=further, score=score
                )
                if score is None:  # experience is of accuracy
                    verdict = verdict.with_prior(_prior(label))
                used = from_main(lambda: verdict.accepted)
            except NlptlError as problem:
                note = _first(problem)
        took = clock.seconds() - began
        self.choice.trials.append(Trial(label, verdict, used, took, note))
        if used:
            self.choice.transfer, self.choice.name = transfer, name
            self.cost, self.given = cost, given or {}

    def use_untried(self, label: str, chosen: Choice, note: str, unlabeled: Any = None) -> None:
        """Take something without a trial, unless it cannot be fitted at all."""
        rows: Any = self.rows if len(self.rows) else []
        try:
            self._trial(chosen.transfer).fit(rows, self.answers, unlabeled=unlabeled)
        except NlptlError as problem:
            self.choice.trials.append(Trial(label, None, False, 0.0, _first(problem)))
            return
        self.choice.trials.append(Trial(label, None, True, 0.0, note))
        self.choice.transfer, self.choice.name = chosen.transfer, chosen.name

    def _trial(self, transfer: Any) -> Any:
        """Give an estimator for a trial, which is not what checkpoints are kept of."""
        training = self.model.training
        kept = None if training is None else replace(training, checkpoints=None)
        return clone(self.model).set_params(transfer=transfer, training=kept)

    def _splits(self, cost: _Cost, later: float = 0.0) -> TimedSplits | None:
        """Deal the rows as often as there is time for, beside a last fit and what comes later."""
        n, left = len(self.rows), self.left
        last = max(cost(n), self.cost(n))
        if not cost(n):  # what takes next to no time is tried for a part of the budget
            goes_on = self._goes_on(max(later, left - self.budget / _QUICK_TRIALS_PER_BUDGET))
            rounds = _MAX_ROUNDS if n < MAX_ROWS_FOR_SEVERAL_ROUNDS else 1
            read = self.forward * n
            return TimedSplits(max(min(5, n), 2), rounds, goes_on=goes_on) if read < left else None
        left -= last
        for tried in (5, 4, 3, 2):
            seen = n * (tried - 1) // tried
            a_round = (cost(seen) + self.cost(seen)) * tried
            if tried <= n and a_round <= left:
                # What there is time for beyond a round is left to later trials, by half.
                rounds = min(max(int(left / 2 / a_round), 1), _MAX_ROUNDS)
                return TimedSplits(tried, rounds, goes_on=self._goes_on(last))
        return None

    def _goes_on(self, reserved: float) -> Callable[[], bool]:
        return lambda: self.left > reserved

    def _too_few(self, splits: Splits | None) -> bool:
        """Whether the rows leave no two splits to judge by."""
        numeric = is_regressor(self.model)
        return splits is not None and len(splits.of(self.answers, numeric=numeric)) < 2

    @property
    def _per_class(self) -> float:
        return len(self.rows) / len({repr(answer) for answer in self.answers})


def _micro_f1(model: Any, rows: Rows, answers: Any) -> float:
    return float(model.evaluate(rows, answers)["micro_f1"])


def _first(problem: NlptlError) -> str:
    return str(problem).split(". ")[0]


def _forward_seconds(encoder: TransformerEncoder, rows: Rows) -> float:
    """Time the encoding of one row, on a few that are spread over all."""
    some = rows.take(np.unique(np.linspace(0, len(rows) - 1, _TEXTS_TO_TIME).astype(int)))
    texts = [text for row in some for text in ([row] if isinstance(row, str) else row)]
    with without_cache():
        encoder.transform(texts[:2])
        began = clock.seconds()
        encoder.transform(texts)
    return (clock.seconds() - began) / len(some)

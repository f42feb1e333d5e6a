"""Choose transfer methods by comparing them on splits of the training rows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sklearn.base import clone, is_regressor

from nlptl.base import clock
from nlptl.base.errors import ConfigError, NlptlError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.corpus import CorpusLike, as_corpora
from nlptl.data.labels import LabelValues, are_lists, as_values, distinct, key_of
from nlptl.data.rows import Rows
from nlptl.encoders.contextual.encoder_timing import forward_seconds
from nlptl.encoders.tunable import is_tunable
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
"""Fewer rows than the first number allow repeated splits. The second one is for a full tuning."""

_MAX_ROUNDS = 4

MAX_ROWS_TO_CONTRAST = 1_000
"""With more rows, ``Contrastive`` is not tried: they are enough to tune all weights."""

MIN_ROWS_PER_CLASS_TO_CONTRAST = 4.0
"""Mean number of rows per class from which ``Contrastive`` usually helps."""

_SHORTER_EPOCHS = (8, 6, 4)
"""Passes over the rows if contrastive tuning must be shorter than usual: 8 to 12 passes."""

_FORWARD_PASSES_PER_STEP = 3.0
"""Duration of a training step, in forward passes of the same rows."""

_QUICK_TRIALS_PER_BUDGET = 5
"""A trial with almost no cost gets the budget divided by this number."""

_MIN_SECONDS_WITHOUT_DIGITS = 10

_CODE = re.compile(r"[A-Za-z]{0,3}[-_. ]?\d+|[A-Z]{2,4}")
"""Class names that are no words: ``C0``, ``17``, ``ABBR``."""

_Cost = Callable[[int], float]


def _nothing(_: int) -> float:
    return 0.0


def _with_steps(config: LoopConfig, steps: int, _: int) -> LoopConfig:
    """Return the settings with a number of steps, which does not depend on the number of rows."""
    return replace(config, max_steps=steps)


def _prior(name: str) -> PriorGain | None:
    gain = methods_by_name()[name].prior_gain
    return None if gain is None else PriorGain(*gain)


def choice_of(
    model: Any,
    plan: FitPlan,
    data: tuple[TextsLike, LabelValues],
    fit_params: Mapping[str, Any],
    auto: Auto,
) -> Choice:
    """Return the choice of ``Auto`` for the arguments of ``fit``.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
    plan : FitPlan
        Plan of the model, without a transfer.
    data : tuple
        Texts and answers, as for ``fit``.
    fit_params : mapping
        The other arguments of ``fit`` by name. Row weights count only in the last fit.
    auto : Auto

    Raises
    ------
    ConfigError
        If an argument of ``fit`` is set that ``Auto`` cannot use.
    """
    for name, value in fit_params.items():
        if name not in ("unlabeled", "sample_weight") and value is not None:
            raise ConfigError(
                f"fit received {name}=..., but Auto() compares methods on splits of the "
                "training rows and cannot use it. Leave it out."
            )
    return choose_transfer(model, plan, (*data, fit_params["unlabeled"]), auto=auto)


def choose_transfer(model: Any, plan: FitPlan, data: tuple[Any, Any, Any], *, auto: Auto) -> Choice:
    """Try several transfer methods, cheap ones first, and keep those without an expected loss.

    Parameters
    ----------
    model : TextModel
        An unfitted model. Trials are clones of it.
    plan : FitPlan
        The fit plan that the parameters of the model describe.
    data : tuple
        Texts, their labels or numbers, and the argument ``unlabeled`` of ``fit``.
    auto : Auto
        Time budget and meaning of the labels. With class names, there may be no rows.

    Returns
    -------
    Choice
        The chosen transfer, with one trial for each method that was considered.
    """
    answers = as_values(data[1])
    rows = Rows([]) if auto.names and not len(answers) else plan.rows(data[0])
    search = _Search(model, plan, rows, answers, auto.budget_seconds)
    search.choice.budget_seconds = auto.budget_seconds
    _try_methods(search, auto, data[2])
    search.choice.seconds = auto.budget_seconds - search.left
    return search.choice


def _try_methods(search: _Search, auto: Auto, unlabeled: Any) -> None:
    """Try the methods that suit the data of a search, cheap ones first."""
    plan, rows, answers = search.plan, search.rows, search.answers
    classed, n = not is_regressor(search.model), len(rows)
    encoder = plan.encoder
    trainable = is_tunable(encoder)
    if trainable and n > 1:
        search.forward = from_main(lambda: forward_seconds(encoder, rows))
    contrasts = trainable and classed and 1 < n <= MAX_ROWS_TO_CONTRAST
    n_classes = n if are_lists(answers) else len(distinct(answers))
    contrasting = partial(contrast_config, as_transfers([Contrastive()]), n_classes=n_classes)
    if classed:
        # A trial has at least two fits, and the last fit follows.
        later = 3 * search.contrastive(contrasting)[1](n) if contrasts else 0.0
        search.weigh_names(LabelMeaning(auto.names), later=later)
    corpora = as_corpora(unlabeled, argument="unlabeled")
    if search.kept and corpora and not n:
        name, combined = search.combined_with("selftraining", SelfTraining())
        note = "no rows to try it on; it mostly helps"
        search.use_untried("selftraining", Choice(combined, name), note, unlabeled)
    if n < 2:
        return
    if contrasts:
        contrastive, cost = search.contrastive(contrasting)
        search.weigh(
            "contrastive", search.named("contrastive"), [contrastive, *search.kept], cost=cost
        )
    if classed and not are_lists(answers):
        edits = WordEdits()
        cost = search.more(1 + edits.copies, lambda n: edits.copies * n)
        search.weigh("edits", *search.combined_with("edits", edits), cost=cost)
        if corpora:
            cost = search.more(1, lambda _: sum(corpus.size for corpus in corpora.values()))
            pair = search.combined_with("selftraining", SelfTraining())
            search.weigh("selftraining", *pair, cost=cost, fit_params={"unlabeled": unlabeled})
    if trainable and n >= MIN_ROWS_TO_TUNE:
        tuned, cost = [FullFineTune(), *search.kept], search.training(lambda _: TUNING, times=2)
        search.weigh("full", search.named("full"), tuned, cost=cost)


@dataclass
class _Search:
    """Search state: the remaining time, the current choice and its cost.

    Attributes
    ----------
    model, plan
        As in ``choose_transfer``.
    rows, answers
        Training rows and their labels or numbers.
    budget : float
        Time budget in seconds.
    choice : Choice
        The current transfer, and all trials so far.
    forward : float
        Seconds of a forward pass of one row. 0 if the encoder cannot be tuned.
    cost : callable
        Seconds of a fit with the current transfer, as a function of the number of rows.
    fit_params : mapping
        Additional arguments of ``fit`` that the current transfer needs.
    started : float
        Time when the search started.
    """

    model: Any
    plan: FitPlan
    rows: Rows
    answers: LabelValues
    budget: float
    choice: Choice = field(default_factory=lambda: Choice(Frozen()))
    forward: float = 0.0
    cost: _Cost = _nothing
    fit_params: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=lambda: clock.seconds())  # noqa: PLW0108 - a test may replace it

    @property
    def left(self) -> float:
        # All processes of a launch take part in trials of a tuned encoder. They must agree on
        # the remaining time, so they use the clock of the main process.
        seconds: float = from_main(lambda: self.budget - (clock.seconds() - self.started))
        return seconds

    @property
    def kept(self) -> list[LabelMeaning]:
        """``LabelMeaning`` of the current choice in a list, or an empty list."""
        meaning = as_transfers(self.choice.transfer).meaning
        return [] if meaning is None else [meaning]

    def named(self, name: str) -> str:
        """Return the name of a transfer that replaces the current one but keeps class names."""
        return f"{name}+meaning" if self.kept else name

    def combined_with(self, name: str, transfer: Any) -> tuple[str, list[Any]]:
        """Combine a transfer with the current choice. Return the joint name and the list."""
        current = self.choice.transfer
        combined = [*(current if isinstance(current, list) else [current]), transfer]
        return (name if self.choice.name == "frozen" else f"{self.choice.name}+{name}"), combined

    def training(self, chosen: Callable[[int], LoopConfig], *, times: int = 1) -> _Cost:
        """Return the training time in seconds by the number of rows. Class names add rows."""
        n_names = self._n_names

        def seconds(n: int) -> float:
            config = self.plan.config(chosen(n))
            steps: int | None = config.max_steps
            n_rows = n + n_names
            batch_size = min(config.batch_size, n_rows)
            n_read = config.epochs * n_rows if steps is None else steps * batch_size
            return float(times * _FORWARD_PASSES_PER_STEP * self.forward * n_read)

        return seconds

    def contrastive(self, configure: Callable[[int], LoopConfig]) -> tuple[Contrastive, _Cost]:
        """Return contrastive tuning with its cost; fewer passes over the rows if time is short.

        The longest one that leaves time for a trial is chosen, or else the longest one that leaves
        time for the fit alone.
        """
        n = len(self.rows)
        n_rows, config = n + self._n_names, self.plan.config(configure(n))
        options = [(Contrastive(), self.training(configure))]
        for epochs in _SHORTER_EPOCHS:
            if config.max_steps is None and epochs < config.epochs:
                steps = epochs * math.ceil(n_rows / config.batch_size)
                cost = self.training(partial(_with_steps, config, steps))
                options.append((Contrastive(steps=steps), cost))
        left = self.left
        tried = [option for option in options if self._splits(option[1]) is not None]
        fitted = [option for option in options if option[1](n) <= left]
        return (tried or fitted or options)[0]

    @property
    def _n_names(self) -> int:
        """Number of texts of class names that a fit with the current choice adds to the rows."""
        classes = distinct(self.answers).tolist() if self.kept else []
        return sum(len(texts) for meaning in self.kept for texts in meaning.texts(classes))

    def more(self, times: int, read: Callable[[int], int]) -> _Cost:
        """Return the cost of ``times`` fits of the current choice, and of encoding rows."""
        current = self.cost
        return lambda n: times * current(n) + self.forward * read(n)

    def weigh_names(self, meaning: LabelMeaning, *, later: float) -> None:
        """Try class names. Use them without a trial if the rows do not allow a trial.

        The trial leaves ``later`` seconds to the next one.
        """
        note = ""
        if not are_lists(self.answers):
            named = {key_of(label) for label in meaning.labels}
            labelled = {key_of(label) for label in distinct(self.answers).tolist()}
            self.choice.note = _note_on_codes(labelled - named)
            if named - labelled:
                note = "there are classes without rows"
            elif len(labelled) > 1 and self._too_few(self._splits(_nothing)):
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
        fit_params: Mapping[str, Any] | None = None,
        later: float = 0.0,
    ) -> None:
        """Compare a transfer with the current one if there is time, and record the trial.

        Parameters
        ----------
        label : str
            Name of the trial.
        name : str
            Name of the choice if the transfer is used.
        transfer : transfer or list of transfers
        cost : callable
            Seconds of a fit with the transfer, as a function of the number of rows.
        fit_params : mapping, optional
            Additional arguments of ``fit`` that the transfer needs.
        later : float
            Seconds of the budget that are reserved for later trials.
        """
        began, verdict, note, used = clock.seconds(), None, "", False
        splits, current, seconds = self._splits(cost, later), self.choice, cost(len(self.rows))
        if splits is None or self._too_few(splits):
            note = "too few rows to try it"
            if splits is None:
                note = f"no time for it ({self._needed(cost)})"
            if (
                label == "contrastive"
                and seconds <= self.left
                and self._per_class >= MIN_ROWS_PER_CLASS_TO_CONTRAST
            ):
                used, note = True, f"{note.replace('for it', 'to try it')}; it mostly helps"
        else:
            pair = {label: self._trial(transfer), current.name: self._trial(current.transfer)}
            further = {label: fit_params or {}, current.name: self.fit_params}
            try:
                score = _micro_f1 if are_lists(self.answers) else None
                verdict = judge(
                    pair, self.rows, self.answers, splits=splits, fit_params=further, score=score
                )
                if score is None:  # prior gains are gains in accuracy
                    verdict = verdict.with_prior(_prior(label))
                used = from_main(lambda: verdict.accepted)
            except NlptlError as problem:
                note = _first(problem)
        took = clock.seconds() - began
        self.choice.trials.append(Trial(label, verdict, used, took, note))
        if used:
            self.choice.transfer, self.choice.name = transfer, name
            self.cost, self.fit_params = cost, fit_params or {}

    def use_untried(
        self, label: str, chosen: Choice, note: str, unlabeled: CorpusLike | None = None
    ) -> None:
        """Use a transfer without a trial if a fit with it succeeds, and record why."""
        rows: Any = self.rows if len(self.rows) else []
        try:
            self._trial(chosen.transfer).fit(rows, self.answers, unlabeled=unlabeled)
        except NlptlError as problem:
            self.choice.trials.append(Trial(label, None, False, 0.0, _first(problem)))
            return
        self.choice.trials.append(Trial(label, None, True, 0.0, note))
        self.choice.transfer, self.choice.name = chosen.transfer, chosen.name

    def _trial(self, transfer: Any) -> Any:
        """Return an unfitted estimator for a trial. It writes no checkpoints."""
        training = self.model.training
        settings = None if training is None else replace(training, checkpoints=None)
        return clone(self.model).set_params(transfer=transfer, training=settings)

    def _splits(self, cost: _Cost, later: float = 0.0) -> TimedSplits | None:
        """Return the splits of a trial that fit into the remaining time, or None if none do.

        The time of the final fit, and ``later`` seconds for other trials, are reserved.
        """
        n, left = len(self.rows), self.left
        last = max(cost(n), self.cost(n))
        if not cost(n):  # a trial with almost no cost gets a part of the budget
            goes_on = self._goes_on(max(later, left - self.budget / _QUICK_TRIALS_PER_BUDGET))
            rounds = _MAX_ROUNDS if n < MAX_ROWS_FOR_SEVERAL_ROUNDS else 1
            read = self.forward * n
            return TimedSplits(max(min(5, n), 2), rounds, goes_on=goes_on) if read < left else None
        left -= last
        for n_folds in (5, 4, 3, 2):
            seconds_per_round = self._seconds_per_round(cost, n_folds)
            if n_folds <= n and seconds_per_round <= left:
                # Rounds after the first use at most half of the time; later trials need the rest.
                rounds = min(max(int(left / 2 / seconds_per_round), 1), _MAX_ROUNDS)
                return TimedSplits(n_folds, rounds, goes_on=self._goes_on(last))
        return None

    def _needed(self, cost: _Cost) -> str:
        """Return how many seconds the shortest trial needs, and how many are left."""
        n = len(self.rows)
        needed = self._seconds_per_round(cost, 2) + max(cost(n), self.cost(n))
        needed = needed if cost(n) else self.forward * n
        left = self.left
        remaining = f"{_rounded(left)} are left" if left > 0 else "none are left"
        return f"it needs {_rounded(needed)} seconds, {remaining}"

    def _seconds_per_round(self, cost: _Cost, n_folds: int) -> float:
        n_train = len(self.rows) * (n_folds - 1) // n_folds
        return (cost(n_train) + self.cost(n_train)) * n_folds

    def _goes_on(self, reserved: float) -> Callable[[], bool]:
        return lambda: self.left > reserved

    def _too_few(self, splits: Splits | None) -> bool:
        """Return True if the rows allow fewer than two splits, too few for a trial."""
        numeric = is_regressor(self.model)
        return splits is not None and len(splits.of(self.answers, numeric=numeric)) < 2

    @property
    def _per_class(self) -> float:
        return len(self.rows) / len({repr(answer) for answer in self.answers})


def _micro_f1(model: Any, rows: Rows, answers: LabelsLike) -> float:
    return float(model.evaluate(rows, answers)["micro_f1"])


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= _MIN_SECONDS_WITHOUT_DIGITS else f"{seconds:.1f}"


def _note_on_codes(labels: Collection[object]) -> str:
    """Return a note if most labels without a description are codes; empty if they are words."""
    codes = sorted((label for label in labels if _CODE.fullmatch(str(label))), key=str)
    if 2 * len(codes) <= len(labels):
        return ""
    shown = ", ".join(map(str, codes[:3])) + (", ..." if len(codes) > 3 else "")
    names = json.dumps({str(codes[0]): "..."}, ensure_ascii=False)
    return (
        f"Class names look like codes ({shown}). They carry no meaning, so they are not expected "
        f"to help. Describe the classes: Auto(names={{{codes[0]!r}: '...'}}) (nlptl train: "
        f"--transfer.names '{names}')."
    )


def _first(problem: NlptlError) -> str:
    return str(problem).split(". ")[0]

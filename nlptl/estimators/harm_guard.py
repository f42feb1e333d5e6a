"""Compare a fit with other data with the same fit without them, and drop data that do harm."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone, is_regressor

from nlptl.base import clock
from nlptl.base.errors import ConfigError, HarmWarning
from nlptl.base.progress import log_stage, trial_fits
from nlptl.base.transfer import Transfer, TransferLike
from nlptl.data.corpus import Corpus, as_corpora
from nlptl.data.labels import LabelValues
from nlptl.data.rows import Rows
from nlptl.evaluation.choice import Choice, Trial
from nlptl.evaluation.intervals import smallest_effect
from nlptl.evaluation.judge import judge
from nlptl.evaluation.timed_splits import MIN_SPLITS, TimedSplits
from nlptl.evaluation.verdict import HURTS, Verdict
from nlptl.fitting.transfers import as_transfers
from nlptl.training.processes import from_main
from nlptl.transfer import Frozen, LabelMeaning

logger = logging.getLogger(__name__)

ROLL_BACK, WARN = ON_HARM = ("roll-back", "warn")

MIN_ROWS_TO_GUARD = 10
"""Minimum number of labelled target rows for a comparison."""

_FOLDS, _ROUNDS = 5, 2
_WITHOUT = "without"
_FRAMES_TO_CALLER = 8
"""Frames from a warning up to the caller of ``fit``, so that the warning shows the user's line."""


@dataclass(frozen=True)
class OtherData:
    """Everything that a fit uses in addition to the labelled target rows.

    Attributes
    ----------
    transfers : sequence of Transfer
        All transfers of the fit.
    source, unlabeled : mapping of str to Corpus
        Corpora of the fit, by name.
    """

    transfers: Sequence[Transfer]
    source: Mapping[str, Corpus]
    unlabeled: Mapping[str, Corpus]

    @property
    def names(self) -> str:
        """Names of the kinds of data, for a sentence; empty if there are none."""
        kinds = {
            "the source" if len(self.source) == 1 else "the sources": bool(self.source),
            "unlabelled texts": bool(self.unlabeled),
            "class names": any(isinstance(part, LabelMeaning) for part in self.transfers),
        }
        return " and ".join(kind for kind, is_used in kinds.items() if is_used)

    @property
    def transfer(self) -> Any:
        """The transfers as the parameter of an estimator."""
        return self.transfers[0] if len(self.transfers) == 1 else list(self.transfers)

    def without_any(self) -> OtherData:
        """Return the transfers that need no other data, without any corpus."""
        plain = [part for part in self.transfers if not _needs_other_data(part)]
        return OtherData(plain or [Frozen()], {}, {})

    def with_source(self, names: Sequence[str]) -> OtherData:
        """Return the same data with some of the sources only."""
        return replace(self, source={name: self.source[name] for name in names})

    def without_rows(self, rows: Rows) -> OtherData:
        """Return the same data without source rows that are also target rows.

        They would be trained on in one split and tested on in another. Empty sources are left out.
        """
        source = {name: corpus.without(rows) for name, corpus in self.source.items()}
        return replace(self, source={name: part for name, part in source.items() if part.size})

    @property
    def fit_params(self) -> dict[str, Any]:
        """Corpora as arguments of ``fit``, without empty ones."""
        corpora = {"source": dict(self.source), "unlabeled": dict(self.unlabeled)}
        return {name: part for name, part in corpora.items() if part}


def _needs_other_data(transfer: Transfer) -> bool:
    return isinstance(transfer, LabelMeaning) or bool({"source", "unlabeled"} & transfer.needs)


def check_on_harm(on_harm: object) -> None:
    """Check the parameter ``on_harm`` of an estimator.

    Raises
    ------
    ConfigError
        If it has another value.
    """
    if on_harm is not None and on_harm not in ON_HARM:
        raise ConfigError(
            f"on_harm must be None, 'roll-back' or 'warn', got {on_harm!r}. Choose one of them."
        )


def other_data(transfer: TransferLike | None, fit_params: Mapping[str, Any]) -> OtherData:
    """Return the other data that a fit uses.

    Parameters
    ----------
    transfer : transfer, list of transfers or None
        The transfer of the fit, without short names.
    fit_params : mapping
        The arguments of ``fit`` by name, without texts and labels.
    """
    parts: Any = transfer if isinstance(transfer, list | tuple) else [transfer]
    source, unlabeled = (
        as_corpora(fit_params.get(name), argument=name) for name in ("source", "unlabeled")
    )
    return OtherData([part for part in parts if part is not None], source, unlabeled)


def guarded_choice(
    model: Any, rows: Rows, answers: LabelValues, data: OtherData, validation: object = None
) -> tuple[Choice, OtherData]:
    """Compare a model with the same model without other data, on splits of the target rows.

    With several sources, each is compared by itself first, and those with a negative mean gain are
    dropped.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
        Unfitted model with the final encoder. Its ``on_harm`` is ``"roll-back"`` or ``"warn"``.
    rows, answers
        Labelled target rows. Their weights do not count in the comparison.
    data : OtherData
        The other data of the fit.
    validation : Corpus, dict of them, or None
        The argument of ``fit``, for both sides.

    Returns
    -------
    choice, data
        Choice with one trial per source and one for the data together, and the data to use.

    Raises
    ------
    ConfigError
        If there are fewer than 10 labelled target rows.
    """
    if len(rows) < MIN_ROWS_TO_GUARD:
        raise ConfigError(
            f"on_harm={model.on_harm!r} compares models on labelled rows of the target and needs "
            f"at least {MIN_ROWS_TO_GUARD}, got {len(rows)}. Add labelled rows, or leave it out."
        )
    log_stage(logger, "Comparing the model with the same model without %s", data.names)
    comparison = _Comparison(model, rows, answers, validation, data.without_any())
    with trial_fits():
        trials, helps = comparison.of_sources(data.without_rows(rows))
    name, used = f"with {data.names}", data
    if model.on_harm == WARN:
        _warn(trials)
        trials = [replace(trial, used=True) for trial in trials]
    elif helps is None:
        name, used = _WITHOUT, data.without_any()
        logger.warning("The model is fitted without %s, which did not help.", data.names)
    else:
        used = data.with_source(helps)
        name = f"with {used.names}"
    return Choice(used.transfer, name, trials, seconds=sum(t.seconds for t in trials)), used


def _warn(trials: Sequence[Trial]) -> None:
    verdict = trials[-1].verdict if trials else None
    if verdict is not None and verdict.outcome == HURTS:
        warnings.warn(
            f"{verdict}. Leave the other data out, or use on_harm='roll-back'.",
            HarmWarning,
            stacklevel=_FRAMES_TO_CALLER,
        )


@dataclass(frozen=True)
class _Comparison:
    """Comparison of fits with other data with the fit without any.

    Attributes
    ----------
    model, rows, answers, validation
        As in ``guarded_choice``.
    plain : OtherData
        The baseline.
    """

    model: Any
    rows: Rows
    answers: LabelValues
    validation: object
    plain: OtherData

    def of_sources(self, data: OtherData) -> tuple[list[Trial], list[str] | None]:
        """Compare each of several sources by itself, then the data together.

        Returns
        -------
        trials, names
            The names are those of the sources to use. None if the data together do not help.
        """
        names, trials = list(data.source), []
        if len(names) > 1:
            trials = self.trials({name: data.with_source([name]) for name in names})
            if self.model.on_harm == ROLL_BACK:
                names = [trial.name for trial in trials if trial.used]
        kept = data.with_source(names)
        needs_source = any("source" in transfer.needs for transfer in data.transfers)
        if not kept.names or (needs_source and not names):
            return trials, None
        trials += self.trials({f"with {kept.names}": kept})
        return trials, names if trials[-1].used else None

    def trials(self, options: Mapping[str, OtherData]) -> list[Trial]:
        """Compare each option with the baseline. It is used if its mean gain is not negative.

        All are fitted on the same splits.
        """
        began = clock.seconds()
        tunes = as_transfers(next(iter(options.values())).transfer).tunes
        splits = TimedSplits(_FOLDS, 1 if tunes else _ROUNDS)
        if len(splits.of(self.answers, numeric=is_regressor(self.model))) < MIN_SPLITS:
            raise ConfigError(
                f"on_harm={self.model.on_harm!r} needs at least two rows of two classes, so that "
                "they can be split. Add labelled rows, or leave it out."
            )
        models = {name: self._model(option) for name, option in options.items()}
        models[_WITHOUT] = self._model(self.plain)
        params = {name: self._fit_params(option) for name, option in options.items()}
        params[_WITHOUT] = self._fit_params(self.plain)
        verdict = judge(models, self.rows, self.answers, splits=splits, fit_params=params)
        seconds = (clock.seconds() - began) / len(options)
        return [self._trial(name, verdict, seconds) for name in options]

    def _trial(self, name: str, verdict: Verdict, seconds: float) -> Trial:
        columns = [verdict.methods.index(part) for part in (name, _WITHOUT)]
        pair = Verdict.decide(
            [name, _WITHOUT],
            verdict.scores[:, columns],
            {name: verdict.gains[name]},
            metric=verdict.metric,
            n_rows=verdict.n_rows,
        )
        used: bool = from_main(lambda: pair.accepted)
        least = smallest_effect(pair.gain, len(pair.scores))
        note = f"{len(self.rows)} rows show effects of {least:.3f} and more"
        return Trial(name, pair, used, seconds, note)

    def _model(self, data: OtherData) -> Any:
        """Return an unfitted model for some other data. It writes no checkpoints."""
        training = self.model.training
        settings = None if training is None else replace(training, checkpoints=None)
        params = {"transfer": data.transfer, "training": settings, "on_harm": None}
        return clone(self.model).set_params(**params)

    def _fit_params(self, data: OtherData) -> dict[str, Any]:
        validation = {} if self.validation is None else {"validation": self.validation}
        return {**data.fit_params, **validation}

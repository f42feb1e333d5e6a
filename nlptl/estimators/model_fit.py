"""One fit of a text estimator, from its parameters to the fitted parts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone

from nlptl.base.errors import AuditWarning, ConfigError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.base.progress import is_trial, log_stage, trial_fits
from nlptl.data.audit import AuditReport
from nlptl.data.labels import LabelValues
from nlptl.data.rows import Rows
from nlptl.estimators.auto import choice_of
from nlptl.estimators.harm_guard import guarded_choice, other_data
from nlptl.estimators.named_parts import with_objects
from nlptl.estimators.plans import PlannedModel, audit_data, plan_of, read_texts
from nlptl.estimators.recommendation import recommended_params
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fit import fit
from nlptl.fitting.fit_data import read_data
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import is_empty
from nlptl.fitting.transfers import as_transfers
from nlptl.transfer.automatic import Auto

logger = logging.getLogger(__name__)

_MIN_SHARE_TO_WARN = 0.01
"""Share of the rows that must be repeated, or have conflicting labels, before a warning."""

_FRAMES_TO_CALLER = 6
"""Frames from a warning up to the caller of ``fit``, so that the warning shows the user's line."""


@dataclass(frozen=True)
class ModelFit:
    """Result of a fit.

    Attributes
    ----------
    fitted : FittedModel
    report : AuditReport
        Audit of the labelled rows.
    transfer : transfer, list of transfers or None
        The transfer in use: that of the model, the recommended one, or the choice of ``Auto``.
    choice : Choice or None
        The trials of ``Auto`` or of ``on_harm``. None without both.
    """

    fitted: FittedModel
    report: AuditReport
    transfer: Any
    choice: Choice | None


def fit_model(
    model: PlannedModel, texts: TextsLike, answers: LabelsLike, fit_params: Mapping[str, Any]
) -> ModelFit:
    """Fit a model. It does not change, so that a failed fit leaves no trace in it.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
    texts, answers
        As for ``fit``.
    fit_params : mapping
        The other arguments of ``fit`` by name.

    Raises
    ------
    InputError, ConfigError
        As for ``fit``.
    """
    log_stage(logger, "Reading texts and labels")
    params = with_objects(model.get_params(deep=False))
    texts, values = read_texts(params["encoder"], texts), model.codec_kind.read(answers)
    changes = recommended_params(model, texts, values, fit_params)
    plan, transfer = plan_of(model, **changes), changes.get("transfer", params["transfer"])
    choice, auto = None, params["transfer"]
    if params["on_harm"] is not None:
        plan, choice, fit_params = _guarded(model, plan, (texts, values), transfer, fit_params)
        transfer = transfer if choice is None else choice.transfer
    elif isinstance(auto, Auto):
        log_stage(logger, "Comparing transfer methods")
        with trial_fits():
            choice = choice_of(model, plan, (texts, values), fit_params, auto)
        plan, transfer = plan.with_choice(choice.transfer), choice.transfer
    data = read_data(plan, texts, values, **fit_params)
    log_stage(logger, "Auditing %d rows", len(data.rows))
    report = audit_data(plan, data)
    if not is_trial():
        _warn_of_problems(report)
    return ModelFit(fit(plan, data), report, transfer, choice)


def _guarded(
    model: PlannedModel,
    plan: FitPlan,
    rows: tuple[TextsLike, LabelValues],
    transfer: Any,
    fit_params: Mapping[str, Any],
) -> tuple[FitPlan, Choice | None, Mapping[str, Any]]:
    """Drop data that do harm from a fit. Without other data, there is nothing to compare."""
    if isinstance(transfer, Auto):
        raise ConfigError(
            "Auto() compares methods on splits of the rows itself, so on_harm has no use. Leave "
            "one of them out."
        )
    data = other_data(transfer, fit_params)
    if not data.names:
        return plan, None, fit_params
    texts, values = rows
    labelled = Rows([]) if is_empty(texts) else plan.rows(texts)
    choice, kept = guarded_choice(
        clone(model).set_params(encoder=plan.encoder),
        labelled,
        values,
        data,
        fit_params["validation"],
    )
    corpora = {"source": kept.source or None, "unlabeled": kept.unlabeled or None}
    plan = replace(plan, transfers=as_transfers(kept.transfer))
    return plan, choice, {**fit_params, **corpora}


def _warn_of_problems(report: AuditReport) -> None:
    """Warn once about problems that make a model or its probabilities worse."""
    n_single = list(report.class_counts.values()).count(1)
    limit = max(1, _MIN_SHARE_TO_WARN * report.n_rows)
    problems = {
        f"{report.repeated} rows repeat an earlier row": report.repeated >= limit,
        f"{report.n_conflicts} texts have different labels": report.n_conflicts >= limit,
        f"{n_single} classes have only one row": n_single > 0,
    }
    present = [problem for problem, is_present in problems.items() if is_present]
    if present:
        message = f"The training rows have problems: {', '.join(present)}. See audit_.warnings."
        warnings.warn(message, AuditWarning, stacklevel=_FRAMES_TO_CALLER)

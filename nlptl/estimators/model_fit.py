"""One fit of a text estimator, from its parameters to the fitted parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.audit import AuditReport
from nlptl.estimators.auto import choice_of
from nlptl.estimators.named_parts import with_objects
from nlptl.estimators.plans import PlannedModel, audit_data, plan_of, read_texts
from nlptl.estimators.recommendation import recommended_params
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fit import fit
from nlptl.fitting.fit_data import read_data
from nlptl.fitting.fitted import FittedModel
from nlptl.transfer.automatic import Auto


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
        The trials of ``Auto``. None without ``Auto``.
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
    params = with_objects(model.get_params(deep=False))
    texts, values = read_texts(params["encoder"], texts), model.codec_kind.read(answers)
    changes = recommended_params(model, texts, values, fit_params)
    plan, transfer = plan_of(model, **changes), changes.get("transfer", params["transfer"])
    choice, auto = None, params["transfer"]
    if isinstance(auto, Auto):
        choice = choice_of(model, plan, (texts, values), fit_params, auto)
        plan, transfer = plan.with_choice(choice.transfer), choice.transfer
    data = read_data(plan, texts, values, **fit_params)
    report = audit_data(plan, data)
    return ModelFit(fit(plan, data), report, transfer, choice)

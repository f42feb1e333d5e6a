"""From the parameters of an estimator to the plan of a fit, and back to its attributes."""

from __future__ import annotations

from typing import Any, Protocol

from nlptl.data.audit import AuditReport, audit
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.plan import FitPlan, token_lengths
from nlptl.saving.saved_model import SavedModel
from nlptl.transfer.automatic import Auto


class PlannedModel(SavedModel, Protocol):
    """An estimator of texts whose parameters describe a plan."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...


def plan_of(model: PlannedModel) -> FitPlan:
    """Return the plan that the parameters of a model describe.

    Raises
    ------
    ConfigError
        If a parameter cannot be used, or two contradict each other.
    """
    params = model.get_params(deep=False)
    if params["transfer"] == "auto" or isinstance(params["transfer"], Auto):
        params["transfer"] = None  # chosen by the rows
    return FitPlan.resolve(numeric=model.codec_kind is NumberScale, **params)


def audit_rows(plan: FitPlan, rows: Rows, answers: Any) -> AuditReport:
    """Look at the labelled rows of a fit."""
    return audit(rows, answers, numeric=plan.numeric, **token_lengths(plan.encoder, rows))


def keep(model: PlannedModel, fitted: FittedModel, report: AuditReport) -> None:
    """Let a model answer with what was fitted."""
    model.fitted_, model.audit_, model.history_ = fitted, report, fitted.history
    model.notes_ = {}

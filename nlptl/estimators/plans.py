"""Turn the parameters of an estimator into a fit plan, and store the result in the estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nlptl.base.inputs import LabelsLike, Text, TextsLike
from nlptl.base.progress import is_trial
from nlptl.base.protocols import Encoder
from nlptl.data.audit import AuditReport, audit, audit_targets
from nlptl.data.columns import read_once
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows
from nlptl.estimators.harm_guard import check_on_harm
from nlptl.estimators.named_parts import with_objects
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.plan import FitPlan, rows_for, token_lengths
from nlptl.fitting.training_data import TrainingData, is_empty
from nlptl.saving.saved_model import SavedModel
from nlptl.training.checkpoints import logger
from nlptl.transfer.automatic import Auto

_MAX_LEAKED_SHARE = 0.5
"""Share of the texts of one domain that may be rows of the other one before a warning."""


class PlannedModel(SavedModel, Protocol):
    """Protocol of a text estimator whose parameters describe a fit plan."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...


def plan_of(model: PlannedModel, **changes: Any) -> FitPlan:
    """Return the fit plan that the parameters of a model describe.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
    **changes
        Parameters to use instead of those of the model.

    Raises
    ------
    ConfigError
        If a parameter cannot be used, or two parameters contradict each other.
    """
    params = with_objects({**model.get_params(deep=False), **changes})
    check_on_harm(params.pop("on_harm", None))
    if isinstance(params["transfer"], Auto):
        params["transfer"] = None  # ``Auto`` chooses the transfer later, from the rows
    return FitPlan.resolve(numeric=model.codec_kind is NumberScale, **params)


def read_texts(encoder: Encoder, texts: TextsLike) -> Any:
    """Read the texts of a fit once. Empty texts are allowed, as class names may be enough."""
    values = read_once(texts)
    return values if is_empty(values) else rows_for(encoder, values)


def audit_rows(
    plan: FitPlan,
    rows: Rows,
    answers: LabelsLike | None,
    *,
    others: Mapping[str, TextsLike] | None = None,
) -> AuditReport:
    """Check the rows of a fit for problems, and other splits for rows that they share."""
    lengths = token_lengths(plan.encoder, rows)
    return audit(
        rows,
        answers,
        others=others,
        numeric=plan.numeric,
        **lengths,
    )


def audit_data(plan: FitPlan, data: TrainingData) -> AuditReport:
    """Check the labelled rows of a fit, which are read already, for problems."""
    lengths, classes = token_lengths(plan.encoder, data.rows), getattr(data.codec, "classes", ())
    others = _texts_of_other_domain(data)
    report = audit_targets(data.rows, data.targets, classes, others=others, **lengths)
    for name, n_leaked in report.leaked.items():
        if n_leaked > _MAX_LEAKED_SHARE * len(others[name]) and not is_trial():
            logger.warning(
                "%d of %d rows of %s are also training rows. A source and its target should be "
                "different texts.",
                n_leaked,
                len(others[name]),
                name,
            )
    return report


def _texts_of_other_domain(data: TrainingData) -> dict[str, Sequence[Text]]:
    """Return the texts of a fit that come from another domain than its labelled rows, by name."""
    if data.targets.domains is not None:
        unlabeled = data.unlabeled.texts
        return {"the unlabelled texts": unlabeled} if len(unlabeled) else {}
    return {f"the source {name!r}": corpus.rows.texts for name, corpus in data.source.items()}


def keep(model: PlannedModel, fitted: FittedModel, report: AuditReport) -> None:
    """Store the fitted parts in the attributes of a model, and empty its notes."""
    model.fitted_, model.audit_ = fitted, report
    model.history_ = fitted.history or fitted.scorer.history
    model.notes_ = {}

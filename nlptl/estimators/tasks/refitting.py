"""Training small tasks again on all of their rows, including the held-out ones."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from nlptl.estimators.tasks.joint import JointResult, JointTraining
from nlptl.estimators.tasks.variants import JOINT, POLISHED, is_small, refit_variant
from nlptl.fitting.fitted import FittedModel


def on_all_rows(
    joiner: JointTraining,
    together: JointResult,
    chosen: Mapping[str, FittedModel],
    kept: Mapping[str, str],
) -> tuple[dict[str, FittedModel], JointResult]:
    """Train small tasks again on all rows, and return the tasks and the joint result.

    The joint training is repeated on all rows if a small task is kept joint or polished. The
    weights of both trainings are then averaged. A small task that is kept as another variant is
    trained again as that variant.

    Joint and polished tasks keep the calibration and the thresholds from the held-out rows. Tasks
    that are kept frozen or alone get theirs from the new training.

    Parameters
    ----------
    joiner : JointTraining
    together : JointResult
        Result of the first joint training.
    chosen : mapping of str to FittedModel
        The variant of each task that was kept.
    kept : mapping of str to {"joint", "frozen", "polished", "alone"}
        The name of this variant.

    Returns
    -------
    chosen, together
        The models and the joint result after the new training. If no task is small, these are
        the same objects as before.
    """
    small = {name for name, part in joiner.parts.items() if is_small(part)}
    encoders = [model.features.encoder for model in together.fitted.values()]
    shared = all(encoder is together.encoder for encoder in encoders)
    if shared and any(kept[name] in (JOINT, POLISHED) for name in small):
        joined = _averaged(together, joiner.on_all_rows().fit())
    else:
        joined = together
    models = dict(chosen)
    for name, part in joiner.parts.items():
        if kept[name] == JOINT:
            models[name] = joined.fitted[name]
        elif name in small:
            refit = refit_variant(part, kept[name], joined)
            models[name] = _with_decision(refit, chosen[name]) if kept[name] == POLISHED else refit
    return models, joined


def _averaged(first: JointResult, second: JointResult) -> JointResult:
    """Average the weights of two joint trainings; keep the calibration of the first one."""
    from nlptl.training.weights.averaging import meet

    loaded = second.encoder.reader.loaded
    model = deepcopy(loaded.model)
    meet(model, first.encoder.reader.loaded.model)
    encoder = second.encoder.with_weights(replace(loaded, model=model.eval(), adapter=None))
    fitted = {}
    for name, after in second.fitted.items():
        before = first.fitted[name]
        network = deepcopy(after.scorer.fitted)
        meet(network.module, before.scorer.fitted.module)
        scorer = replace(before.scorer, fitted=network)
        features = replace(after.features, encoder=encoder)
        fitted[name] = replace(after, features=features, scorer=scorer)
    return replace(first, fitted=fitted, encoder=encoder)


def _with_decision(refit: FittedModel, before: FittedModel) -> FittedModel:
    scorer: Any = replace(refit.scorer, decision=before.scorer.decision)
    return replace(refit, scorer=scorer)

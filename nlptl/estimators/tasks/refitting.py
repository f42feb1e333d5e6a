"""Learning once more from all rows, where those held out are missed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from nlptl.estimators.tasks.joint import JointResult, JointTraining
from nlptl.estimators.tasks.variants import JOINT, POLISHED, anew, is_small
from nlptl.fitting.fitted import FittedModel


def on_all_rows(
    joiner: JointTraining,
    together: JointResult,
    chosen: Mapping[str, FittedModel],
    kept: Mapping[str, str],
) -> tuple[dict[str, FittedModel], JointResult]:
    """Give the tasks as they are once the rows held out are learnt from too.

    Tasks are learnt together a second time, on all rows, if one of those that go on from the
    joint encoder is small; the weights of both trainings are averaged. A small task that is kept
    in another way is trained anew, in that way. How probabilities are read was told by the rows
    while they were held out, and stays, but of a task that is kept frozen or alone: such models
    tell it by other means.

    Parameters
    ----------
    joiner : JointTraining
    together : JointResult
        What it gave.
    chosen : mapping of str to FittedModel
        The variant of each task that was kept.
    kept : mapping of str to {"joint", "frozen", "polished", "alone"}
        Which one that is.

    Returns
    -------
    chosen, together
        The same objects where no task is small.
    """
    small = {name for name, part in joiner.parts.items() if is_small(part)}
    shared = all(own.features.encoder is together.encoder for own in together.fitted.values())
    if shared and any(kept[name] in (JOINT, POLISHED) for name in small):
        joined = _averaged(together, joiner.on_all_rows().fit())
    else:
        joined = together
    found = dict(chosen)
    for name, part in joiner.parts.items():
        if kept[name] == JOINT:
            found[name] = joined.fitted[name]
        elif name in small:
            again = anew(part, kept[name], joined)
            found[name] = _read_as(again, chosen[name]) if kept[name] == POLISHED else again
    return found, joined


def _averaged(first: JointResult, second: JointResult) -> JointResult:
    """Give the mean of two joint trainings; probabilities are read as the first one told."""
    from nlptl.training.weights.averaging import meet

    loaded = second.encoder.weights
    model = deepcopy(loaded.model)
    meet(model, first.encoder.weights.model)
    encoder = second.encoder.with_weights(replace(loaded, model=model.eval(), adapter=None))
    fitted = {}
    for name, own in second.fitted.items():
        before = first.fitted[name]
        network = deepcopy(own.scorer.fitted)
        meet(network.module, before.scorer.fitted.module)
        scorer = replace(before.scorer, fitted=network)
        fitted[name] = replace(own, features=replace(own.features, encoder=encoder), scorer=scorer)
    return replace(first, fitted=fitted, encoder=encoder)


def _read_as(again: FittedModel, before: FittedModel) -> FittedModel:
    scorer: Any = replace(again.scorer, decision=before.scorer.decision)
    return replace(again, scorer=scorer)

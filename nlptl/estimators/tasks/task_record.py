"""Description of one task in the folder of a multi-task model, with its head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlptl.base.described import checked, entry, finite, make
from nlptl.base.inputs import JsonObject
from nlptl.data.audit import AuditReport
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.named_parts import named_head
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task
from nlptl.estimators.tasks.task_options import options_of
from nlptl.estimators.text_model import TextModel
from nlptl.fitting.fitted import FittedHead
from nlptl.heads.registry import describe_head, make_head
from nlptl.saving.model_folder import fitted_of, read_codec, read_spec, spec_of
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting
from nlptl.transfer.features.frozen import TextFeatures

_HEAD = "head.safetensors"


def describe_task(folder: Path, name: str, model: SharedModel) -> dict[str, Any]:
    """Write the head of one task, and return the description of the task without its encoder.

    Parameters
    ----------
    folder : Path
        Folder of the task.
    name : str
    model : SharedModel
        The model with all tasks.
    """
    task_model, task = model.models_[name], model.known_[name]
    fitted, comparison = task_model.fitted_, model.comparisons_.get(name)
    features = fitted.features
    save_arrays(folder / _HEAD, fitted.scorer.arrays())
    return {
        "name": name,
        "task": {
            **task.get_params(deep=False),
            "head": task.head and describe_head(named_head(task.head)),
        },
        "codec": fitted.codec.to_json(),
        "scorer": fitted.scorer.describe(),
        "weights": features.weights.tolist(),
        "joint": features.joint,
        "pairs": fitted.probe.are_pairs,
        "transfer": spec_of(task_model.transfer_),
        "audit": task_model.audit_.to_json(),
        "standing": None if comparison is None else comparison.to_json(),
    }


def read_task_model(
    record: JsonObject, task: Task, encoder: TransformerEncoder, folder: Path, whole: SharedModel
) -> TextModel:
    """Load the model of one task from its description and its folder.

    Raises
    ------
    TypeError, KeyError, ValueError
        If the description is damaged.
    """
    options = {**options_of(whole), "encoder": encoder, "transfer": read_spec(record["transfer"])}
    model = task.model(options)
    codec = read_codec(type(model), record["codec"])
    features = TextFeatures(encoder, finite(record, "weights"), entry(record, "joint", bool))
    with interpreting(folder / _HEAD):
        scorer = FittedHead.restore(
            entry(record, "scorer", JsonObject), load_arrays(folder / _HEAD), codec=codec
        )
    fitted = fitted_of(codec, features, scorer, pairs=entry(record, "pairs", bool))
    model.transfer_, model.transfer_verdict_ = model.transfer, None
    keep(model, fitted, make(AuditReport, record["audit"]))
    return model


def read_task(described: object) -> Task:
    """Build a task from its description."""
    fields = checked(described, JsonObject, "task")
    head = entry(fields, "head", JsonObject | None)
    return make(Task, {**fields, "head": None if head is None else make_head(head)})

"""Folder of a multi-task model: one shared encoder, and the private parts of each task."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import entry, finite, make
from nlptl.base.errors import StorageError
from nlptl.data.audit import AuditReport
from nlptl.data.mixing import Mixing
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.registry import load_encoder_part, save_encoder_part
from nlptl.encoders.tunable import is_tunable
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.prepared import options_of
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, as_tasks
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.task_affinity import Affinity
from nlptl.evaluation.verdict import Verdict
from nlptl.fitting.fitted import FittedHead
from nlptl.heads.registry import describe_head, make_head
from nlptl.saving.description_checks import read_notes
from nlptl.saving.model_folder import (
    CLOSE,
    cost_of,
    fitted_of,
    history_of,
    read_codec,
    read_cost,
    read_described,
    read_history,
    read_spec,
    read_training,
    refuse_foreign,
    spec_of,
    training_of,
    write_described,
)
from nlptl.storage.atomic import new_folder
from nlptl.storage.differences import difference, restored
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting
from nlptl.transfer.features.frozen import TextFeatures

Kind = TypeVar("Kind", bound=SharedModel)

_SHARED = "encoder"
_TASKS = "tasks"
_HEAD, _DIFFERENCE, _ADAPTER = "head.safetensors", "encoder.safetensors", "adapter"


def save_tasks(model: SharedModel, folder: Path, *, notes: dict[str, Any] | None) -> Path:
    """Write a fitted model into a folder, and check that it reads back equal."""
    refuse_foreign(folder)
    with new_folder(folder) as draft:
        shared = model.shared_
        described = {
            "encoder": save_encoder_part(shared, draft / _SHARED),
            "tasks": _describe_all(draft / _TASKS, model),
            "options": _options(model),
            "affinity": model.affinity_.to_json(),
            "steps": model.steps_,
            "cost": cost_of(model),
            "history": history_of(model.history_),
            "notes": model.notes_ if notes is None else notes,
        }
        write_described(draft, model.kind, described)
        _prove(model, draft)
    return folder


def load_tasks(kind: type[Kind], folder: Path) -> Kind:
    """Read a model from a folder, after checking every file."""
    return read_described(folder, kind.kind, partial(_restore, kind))


def _options(model: SharedModel) -> dict[str, Any]:
    return {
        "transfer": spec_of(model.transfer),
        "mixing": None if model.mixing is None else model.mixing.get_params(),
        "training": training_of(model.training),
        **{n: getattr(model, n) for n in ("balance", "gate", "seed", "long_texts")},
        "pair_encoding": model.pair_encoding,
    }


def _describe_all(folder: Path, model: SharedModel) -> list[dict[str, Any]]:
    """Write each task. Store an encoder that several tasks share with the first of them."""
    described: list[dict[str, Any]] = []
    stored: dict[tuple[int, str], int] = {}
    for index, name in enumerate(model.models_):
        task_folder = folder / str(index)
        task_folder.mkdir(parents=True)
        encoder = model.models_[name].fitted_.features.encoder
        key = id(encoder.weights), repr(encoder.chosen_pooling)
        form = _save_encoder(task_folder, model.shared_, encoder, stored.get(key))
        stored.setdefault(key, index)
        described.append({**_describe(task_folder, name, model), "encoder": form})
    return described


def _describe(folder: Path, name: str, model: SharedModel) -> dict[str, Any]:
    """Write the head of one task, and return the description of the task without its encoder."""
    task_model, task = model.models_[name], model.known_[name]
    fitted, comparison = task_model.fitted_, model.comparisons_.get(name)
    features = fitted.features
    save_arrays(folder / _HEAD, fitted.scorer.arrays())
    return {
        "name": name,
        "task": {**task.get_params(deep=False), "head": task.head and describe_head(task.head)},
        "codec": fitted.codec.to_json(),
        "scorer": fitted.scorer.describe(),
        "weights": features.weights.tolist(),
        "joint": features.joint,
        "pairs": fitted.probe.are_pairs,
        "transfer": spec_of(task_model.transfer_),
        "audit": task_model.audit_.to_json(),
        "standing": None if comparison is None else comparison.to_json(),
    }


def _save_encoder(folder: Path, shared: Any, encoder: Any, stored: int | None) -> Any:
    """Write how the encoder of a task differs from the shared one, and return the form used."""
    if encoder.weights is shared.weights:
        return "shared"
    if stored is not None:
        return {"task": stored}
    if encoder.weights is None or encoder.chosen_pooling != shared.chosen_pooling:  # not trained
        return {"whole": save_encoder_part(encoder, folder / _SHARED)}
    adapter = encoder.weights.adapter
    if adapter is not None and encoder.weights.base is shared.weights:
        adapter.save(folder / _ADAPTER)
        return "adapter"
    changes = difference(_arrays(shared.weights.model), _arrays(encoder.weights.model))
    save_arrays(folder / _DIFFERENCE, changes)
    return "difference"


def _restore(kind: type[Kind], described: dict[str, Any], folder: Path) -> Kind:
    descriptions = entry(described, "tasks", list[dict[str, Any]])
    tasks = {entry(record, "name", str): _task(record["task"]) for record in descriptions}
    if len(tasks) != len(descriptions):
        raise ValueError("two tasks have the same name")
    shared = load_encoder_part(described["encoder"], folder / _SHARED)
    if not is_tunable(shared):
        raise TypeError(f"the shared encoder must be a transformer, got {type(shared).__name__}")
    loaded = read_encoder(shared.folder, "float32", default_device(), stock=_stock(shared))
    shared = shared.with_weights(loaded)
    model = _make_model(kind, described, as_tasks(tasks), shared)
    model.models_, model.known_, model.comparisons_ = {}, {}, {}
    for index, (record, (name, task)) in enumerate(zip(descriptions, tasks.items(), strict=True)):
        task_folder = folder / _TASKS / str(index)
        encoder = _read_encoder(record["encoder"], model, task_folder)
        model.models_[name] = _task_model(record, task, encoder, task_folder, model)
        model.known_[name] = task
        if record["standing"] is not None:
            model.comparisons_[name] = Verdict.from_json(record["standing"])
    model.shared_, model.variants_ = shared, {}
    model.steps_ = entry(described, "steps", dict[str, int])
    model.changes_ = {}
    model.affinity_ = Affinity.from_json(described["affinity"])
    model.notes_, model.cost_ = read_notes(described), read_cost(described)
    model.history_ = read_history(described)
    return model


def _make_model(kind: type[Kind], described: Any, tasks: dict[str, Task], shared: Any) -> Kind:
    options = dict(entry(described, "options", dict[str, Any]))
    mixing = options.pop("mixing")
    entry(options, "balance", str)
    if "device" in options:
        raise ValueError("unexpected option 'device', which is never saved")
    parts = {
        "tasks": tasks,
        "encoder": shared,
        "transfer": read_spec(options.pop("transfer")),
        "mixing": None if mixing is None else make(Mixing, mixing),
        "training": read_training(options.pop("training")),
    }
    return make(kind, {**options, **parts})


def _task_model(
    record: dict[str, Any], task: Task, encoder: Any, folder: Path, whole: SharedModel
) -> TextModel:
    options = {**options_of(whole), "encoder": encoder, "transfer": read_spec(record["transfer"])}
    model = task.model(options)
    codec = read_codec(type(model), record["codec"])
    features = TextFeatures(encoder, finite(record, "weights"), entry(record, "joint", bool))
    with interpreting(folder / _HEAD):
        scorer = FittedHead.restore(record["scorer"], load_arrays(folder / _HEAD), codec=codec)
    fitted = fitted_of(codec, features, scorer, pairs=entry(record, "pairs", bool))
    model.transfer_, model.transfer_verdict_ = model.transfer, None
    keep(model, fitted, make(AuditReport, record["audit"]))
    return model


def _read_encoder(form: Any, whole: SharedModel, folder: Path) -> Any:
    """Load the encoder of a task from the form in which it is stored."""
    shared = whole.encoder
    if form == "shared":
        return shared
    if isinstance(form, dict) and "task" in form:
        index, earlier = entry(form, "task", int), list(whole.models_.values())
        if not 0 <= index < len(earlier):
            raise ValueError(f"the encoder of task {index} is used before this task is read")
        return earlier[index].fitted_.features.encoder
    if isinstance(form, dict):
        return load_encoder_part(form["whole"], folder / _SHARED)
    if form not in ("adapter", "difference"):
        raise ValueError(f"an encoder is stored in an unknown form: {str(form)[:40]!r}")
    base = shared.weights
    model = copy.deepcopy(base.model)
    if form == "adapter":
        adapter = Adapter.load(folder / _ADAPTER)
        loaded = LoadedEncoder(
            base.folder,
            adapter.merged_into(model),
            base.dtype,
            base.device,
            adapter=adapter,
            base=base,
        )
        return shared.with_weights(loaded)
    import torch

    arrays = restored(_arrays(base.model), load_arrays(folder / _DIFFERENCE))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return shared.with_weights(LoadedEncoder(base.folder, model, base.dtype, base.device))


def _task(described: dict[str, Any]) -> Task:
    head = described["head"]
    return make(Task, {**described, "head": None if head is None else make_head(head)})


def _arrays(model: Any) -> dict[str, AnyArray]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}


def _stock(encoder: Any) -> bool:
    return bool(encoder.chosen_pooling.tokens == "stock")


def _prove(model: SharedModel, draft: Path) -> None:
    """Read the model from the draft, and compare the outputs of every task."""
    with without_cache(), empty_shelf():
        restored_model = load_tasks(type(model), draft)
        for name, task_model in model.models_.items():
            probe = task_model.fitted_.probe
            expected = task_model.fitted_.outputs(probe)
            outputs = restored_model.models_[name].fitted_.outputs(probe)
            deviation = float(np.abs(outputs - expected).max())
            if not deviation <= CLOSE:
                raise StorageError(
                    f"The model was not saved, because task {name!r} changes when it is read back: "
                    f"outputs may differ by {CLOSE:.2g} and differ by {deviation:.2g}. Please "
                    "report this."
                )

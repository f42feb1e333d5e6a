"""Folder of a multi-task model: one shared encoder, and the private parts of each task."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.base.inputs import JsonObject
from nlptl.data.mixing import Mixing
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.named_parts import named_transfer
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, as_tasks
from nlptl.estimators.tasks.task_encoder import (
    load_shared_encoder,
    read_task_encoder,
    save_shared_encoder,
    save_task_encoder,
)
from nlptl.estimators.tasks.task_record import describe_task, read_task, read_task_model
from nlptl.evaluation.task_affinity import Affinity
from nlptl.evaluation.verdict import Verdict
from nlptl.saving.description_checks import read_notes
from nlptl.saving.model_folder import (
    CLOSE,
    read_described,
    read_spec,
    refuse_foreign,
    spec_of,
    write_described,
)
from nlptl.saving.run_record import (
    cost_of,
    history_of,
    read_cost,
    read_history,
    read_training,
    training_of,
)
from nlptl.storage.atomic import new_folder, saved_folder

Kind = TypeVar("Kind", bound=SharedModel)

_TASKS = "tasks"


def save_tasks(model: SharedModel, folder: Path, *, notes: Mapping[str, object] | None) -> Path:
    """Write a fitted model into a folder, and check that it reads back equal."""
    refuse_foreign(folder)
    with new_folder(folder) as draft:
        described = {
            "encoder": save_shared_encoder(model.shared_, draft),
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


def load_tasks(kind: type[Kind], folder: str | Path) -> Kind:
    """Read a model from a folder, after checking every file."""
    return read_described(saved_folder(folder), kind.kind, partial(_restore, kind))


def _options(model: SharedModel) -> dict[str, Any]:
    return {
        "transfer": spec_of(named_transfer(model.transfer)),
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
        key = id(encoder.weights), repr(encoder.reader.pooling)
        form = save_task_encoder(task_folder, model.shared_, encoder, stored.get(key))
        stored.setdefault(key, index)
        described.append({**describe_task(task_folder, name, model), "encoder": form})
    return described


def _restore(kind: type[Kind], described: JsonObject, folder: Path) -> Kind:
    descriptions = entry(described, "tasks", list[dict[str, Any]])
    tasks = {entry(record, "name", str): read_task(record["task"]) for record in descriptions}
    if len(tasks) != len(descriptions):
        raise ValueError("two tasks have the same name")
    shared = load_shared_encoder(entry(described, "encoder", JsonObject), folder)
    model = _make_model(kind, described, as_tasks(tasks), shared)
    model.models_, model.known_, model.comparisons_ = {}, {}, {}
    for index, (record, (name, task)) in enumerate(zip(descriptions, tasks.items(), strict=True)):
        task_folder = folder / _TASKS / str(index)
        encoder = read_task_encoder(
            record["encoder"], shared, list(model.models_.values()), task_folder
        )
        model.models_[name] = read_task_model(record, task, encoder, task_folder, model)
        model.known_[name] = task
        if record["standing"] is not None:
            model.comparisons_[name] = Verdict.from_json(record["standing"])
    model.shared_, model.variants_ = shared, {}
    model.steps_ = entry(described, "steps", dict[str, int])
    model.changes_ = {}
    model.affinity_ = Affinity.from_json(entry(described, "affinity", JsonObject))
    model.notes_, model.cost_ = read_notes(described), read_cost(described)
    model.history_ = read_history(described)
    return model


def _make_model(
    kind: type[Kind], described: object, tasks: dict[str, Task], shared: TransformerEncoder
) -> Kind:
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

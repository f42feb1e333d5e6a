"""The folder of a model of several tasks: one encoder, and of each task what is its own."""

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
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.registry import load_encoder_part, save_encoder_part
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.prepared import options_of
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, as_tasks
from nlptl.estimators.tasks.variants import TaskComparison
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.task_affinity import Affinity
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
_HEAD, _OWN, _ADAPTER = "head.safetensors", "encoder.safetensors", "adapter"


def save_tasks(model: SharedModel, folder: Path, *, notes: dict[str, Any] | None) -> Path:
    """Write a fitted model into a folder and prove that it reads back equal."""
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
    """Read a model from a folder, after every file was checked."""
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
    """Write each task; an encoder that several have is stored with the first of them."""
    found: list[dict[str, Any]] = []
    stored: dict[tuple[int, str], int] = {}
    for place, name in enumerate(model.models_):
        own = folder / str(place)
        own.mkdir(parents=True)
        encoder = model.models_[name].fitted_.features.encoder
        key = id(encoder.weights), repr(encoder.chosen_pooling)
        how = _save_own(own, model.shared_, encoder, stored.get(key))
        stored.setdefault(key, place)
        found.append({**_describe(own, name, model), "encoder": how})
    return found


def _describe(folder: Path, name: str, model: SharedModel) -> dict[str, Any]:
    """Write what one task has to itself beside its encoder."""
    own, task, standing = model.models_[name], model.known_[name], model.comparisons_.get(name)
    features = own.fitted_.features
    save_arrays(folder / _HEAD, own.fitted_.scorer.arrays())
    return {
        "name": name,
        "task": {**task.get_params(deep=False), "head": task.head and describe_head(task.head)},
        "codec": own.fitted_.codec.to_json(),
        "scorer": own.fitted_.scorer.describe(),
        "weights": features.weights.tolist(),
        "joint": features.joint,
        "pairs": own.fitted_.probe.are_pairs,
        "transfer": spec_of(own.transfer_),
        "audit": own.audit_.to_json(),
        "standing": None if standing is None else standing.to_json(),
    }


def _save_own(folder: Path, shared: Any, encoder: Any, stored: int | None) -> Any:
    """Write how the encoder of a task differs from the shared one; say in which way."""
    if encoder.weights is shared.weights:
        return "shared"
    if stored is not None:
        return {"task": stored}
    if encoder.weights is None or encoder.chosen_pooling != shared.chosen_pooling:  # as it came
        return {"whole": save_encoder_part(encoder, folder / _SHARED)}
    adapter = encoder.weights.adapter
    if adapter is not None and encoder.weights.base is shared.weights:
        adapter.save(folder / _ADAPTER)
        return "adapter"
    apart = difference(_arrays(shared.weights.model), _arrays(encoder.weights.model))
    save_arrays(folder / _OWN, apart)
    return "difference"


def _restore(kind: type[Kind], described: dict[str, Any], folder: Path) -> Kind:
    listed = entry(described, "tasks", list[dict[str, Any]])
    tasks = {entry(one, "name", str): _task(one["task"]) for one in listed}
    if len(tasks) != len(listed):
        raise ValueError("two tasks of the same name")
    shared = load_encoder_part(described["encoder"], folder / _SHARED)
    if not isinstance(shared, TransformerEncoder):
        raise TypeError(f"tasks share a transformer, got {type(shared).__name__}")
    loaded = read_encoder(shared.folder, "float32", default_device(), stock=_stock(shared))
    shared = shared.with_weights(loaded)
    model = _make_model(kind, described, as_tasks(tasks), shared)
    model.models_, model.known_, model.comparisons_ = {}, {}, {}
    for place, (one, (name, task)) in enumerate(zip(listed, tasks.items(), strict=True)):
        encoder = _read_own(one["encoder"], model, folder / _TASKS / str(place))
        own = _own_model(one, task, encoder, folder / _TASKS / str(place), model)
        model.models_[name], model.known_[name] = own, task
        if one["standing"] is not None:
            model.comparisons_[name] = TaskComparison.from_json(one["standing"])
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
        raise ValueError("an option 'device' that is not saved")
    given = {
        "tasks": tasks,
        "encoder": shared,
        "transfer": read_spec(options.pop("transfer")),
        "mixing": None if mixing is None else make(Mixing, mixing),
        "training": read_training(options.pop("training")),
    }
    return make(kind, {**options, **given})


def _own_model(
    told: dict[str, Any], task: Task, encoder: Any, folder: Path, whole: SharedModel
) -> TextModel:
    options = {**options_of(whole), "encoder": encoder, "transfer": read_spec(told["transfer"])}
    own = task.model(options)
    codec = read_codec(type(own), told["codec"])
    features = TextFeatures(encoder, finite(told, "weights"), entry(told, "joint", bool))
    with interpreting(folder / _HEAD):
        scorer = FittedHead.restore(told["scorer"], load_arrays(folder / _HEAD), codec=codec)
    fitted = fitted_of(codec, features, scorer, pairs=entry(told, "pairs", bool))
    own.transfer_, own.transfer_verdict_ = own.transfer, None
    keep(own, fitted, make(AuditReport, told["audit"]))
    return own


def _read_own(how: Any, whole: SharedModel, folder: Path) -> Any:
    """Give the encoder of a task."""
    shared = whole.encoder
    if how == "shared":
        return shared
    if isinstance(how, dict) and "task" in how:
        place, earlier = entry(how, "task", int), list(whole.models_.values())
        if not 0 <= place < len(earlier):
            raise ValueError(f"an encoder of task {place}, which is not read yet")
        return earlier[place].fitted_.features.encoder
    if isinstance(how, dict):
        return load_encoder_part(how["whole"], folder / _SHARED)
    if how not in ("adapter", "difference"):
        raise ValueError(f"an encoder stored as {str(how)[:40]!r}")
    base = shared.weights
    model = copy.deepcopy(base.model)
    if how == "adapter":
        adapter = Adapter.load(folder / _ADAPTER)
        own = LoadedEncoder(
            base.folder,
            adapter.merged_into(model),
            base.dtype,
            base.device,
            adapter=adapter,
            base=base,
        )
        return shared.with_weights(own)
    import torch

    arrays = restored(_arrays(base.model), load_arrays(folder / _OWN))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return shared.with_weights(LoadedEncoder(base.folder, model, base.dtype, base.device))


def _task(told: dict[str, Any]) -> Task:
    head = told["head"]
    return make(Task, {**told, "head": None if head is None else make_head(head)})


def _arrays(model: Any) -> dict[str, AnyArray]:
    return {name: part.detach().cpu().numpy() for name, part in model.state_dict().items()}


def _stock(encoder: Any) -> bool:
    return bool(encoder.chosen_pooling.tokens == "stock")


def _prove(model: SharedModel, draft: Path) -> None:
    """Read the model from the draft and compare what it answers in every task."""
    with without_cache(), empty_shelf():
        again = load_tasks(type(model), draft)
        for name, own in model.models_.items():
            probe = own.fitted_.probe
            expected, found = own.fitted_.outputs(probe), again.models_[name].fitted_.outputs(probe)
            apart = float(np.abs(found - expected).max())
            if not apart <= CLOSE:
                raise StorageError(
                    f"The model was not saved: read back, task {name!r} answers differently, by "
                    f"{apart:.2g}. Please report this."
                )

"""Files of the encoder of each task: the shared one, or what differs from it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nlptl.base.arrays import AnyArray
from nlptl.base.described import entry
from nlptl.base.inputs import JsonObject
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.loaded import default_device, read_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.registry import load_encoder_part, save_encoder_part
from nlptl.encoders.tunable import is_tunable
from nlptl.estimators.text_model import TextModel
from nlptl.storage.differences import difference, restored
from nlptl.storage.tensors import load_arrays, save_arrays

if TYPE_CHECKING:
    from torch.nn import Module

EncoderForm: TypeAlias = str | JsonObject
"""How an encoder is stored: ``"shared"``, ``"adapter"``, ``"difference"``, ``{"task": number}`` or
``{"whole": description}``."""

_SHARED = "encoder"
_DIFFERENCE, _ADAPTER = "encoder.safetensors", "adapter"


def save_shared_encoder(encoder: TransformerEncoder, folder: Path) -> JsonObject:
    """Write the shared encoder into the folder of a model, and return its description."""
    return save_encoder_part(encoder, folder / _SHARED)


def load_shared_encoder(described: JsonObject, folder: Path) -> TransformerEncoder:
    """Load the shared encoder, with its weights in memory.

    Raises
    ------
    TypeError
        If it is no transformer.
    """
    shared = load_encoder_part(described, folder / _SHARED)
    if not is_tunable(shared):
        raise TypeError(f"the shared encoder must be a transformer, got {type(shared).__name__}")
    loaded = read_encoder(shared.folder, "float32", default_device(), stock=_stock(shared))
    return shared.with_weights(loaded)


def save_task_encoder(
    folder: Path, shared: TransformerEncoder, encoder: TransformerEncoder, stored: int | None
) -> EncoderForm:
    """Write how the encoder of a task differs from the shared one, and return the form used.

    Parameters
    ----------
    folder : Path
        Folder of the task.
    shared : TransformerEncoder
    encoder : TransformerEncoder
    stored : int or None
        Number of an earlier task with the same encoder.
    """
    if encoder.weights is shared.weights:
        return "shared"
    if stored is not None:
        return {"task": stored}
    if encoder.weights is None or encoder.reader.pooling != shared.reader.pooling:  # not trained
        return {"whole": save_encoder_part(encoder, folder / _SHARED)}
    adapter = encoder.weights.adapter
    if adapter is not None and encoder.weights.base is shared.weights:
        adapter.save(folder / _ADAPTER)
        return "adapter"
    changes = difference(_arrays(shared.reader.loaded.model), _arrays(encoder.weights.model))
    save_arrays(folder / _DIFFERENCE, changes)
    return "difference"


def read_task_encoder(
    form: object, shared: TransformerEncoder, earlier: Sequence[TextModel], folder: Path
) -> TransformerEncoder:
    """Load the encoder of a task from the form in which it is stored.

    Parameters
    ----------
    form : str or dict
    shared : TransformerEncoder
    earlier : sequence of TextModel
        Models of the tasks that are stored before this task.
    folder : Path
        Folder of the task.

    Raises
    ------
    TypeError, ValueError
        If the form is unknown, or names a task that is not read yet.
    """
    if form == "shared":
        return shared
    if isinstance(form, dict) and "task" in form:
        index = entry(form, "task", int)
        if not 0 <= index < len(earlier):
            raise ValueError(f"the encoder of task {index} is used before this task is read")
        encoder: TransformerEncoder = earlier[index].fitted_.features.encoder
        return encoder
    if isinstance(form, dict):
        whole: TransformerEncoder = load_encoder_part(form["whole"], folder / _SHARED)
        return whole
    if form not in ("adapter", "difference"):
        raise ValueError(f"an encoder is stored in an unknown form: {str(form)[:40]!r}")
    base = shared.reader.loaded
    model = copy.deepcopy(base.model)
    if form == "adapter":
        adapter = Adapter.load(folder / _ADAPTER)
        model = adapter.merged_into(model)
        return shared.with_weights(replace(base, model=model, adapter=adapter, base=base))
    import torch

    arrays = restored(_arrays(base.model), load_arrays(folder / _DIFFERENCE))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return shared.with_weights(replace(base, model=model, adapter=None, base=None))


def _arrays(model: Module) -> dict[str, AnyArray]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}


def _stock(encoder: TransformerEncoder) -> bool:
    return bool(encoder.reader.is_stock)

"""A trial of saving an encoder, made before hours of training rather than after them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nlptl.base.errors import EncoderNotFoundError, IntegrityError, StorageError
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.storage.hashing import fingerprint

MAX_BYTES_TO_TRY = 1_000_000_000
"""Weights above this size are not written on trial: it would take longer than it is worth."""

_TRIED: set[str] = set()


def check_saving(encoder: TransformerEncoder) -> None:
    """Check that an encoder with weights in memory can be saved and read again.

    Its weights are written into a temporary folder and read from there, once per architecture in
    a process. Large weights, disks without room, and adapters that are stored apart are left out.

    Parameters
    ----------
    encoder : TransformerEncoder
        An encoder that is about to be tuned.

    Raises
    ------
    StorageError
        If the weights or the tokenizer that are read are not those that were written.
    """
    loaded = encoder.loaded()
    weights = loaded.model.state_dict()
    key = fingerprint([type(loaded.model).__name__, encoder.folder.fingerprint])
    size = sum(part.numel() * part.element_size() for part in weights.values())
    free = shutil.disk_usage(tempfile.gettempdir()).free
    too_large = size > MAX_BYTES_TO_TRY or 4 * size > free
    if key in _TRIED or too_large or loaded.adapter is not None:
        return
    with tempfile.TemporaryDirectory() as place:
        try:
            encoder.with_weights(loaded).write(Path(place))
            reason = _difference(encoder, Path(place))
        except Exception as problem:  # libraries raise many kinds
            from_reading = isinstance(problem, EncoderNotFoundError | IntegrityError)
            if not from_reading and (isinstance(problem, OSError) or "os error" in str(problem)):
                return  # there is no room to try it
            reason = f"{type(problem).__name__}: {str(problem).strip()[:200]}"
    if reason:
        raise StorageError(
            f"Encoder {encoder.folder.name!r} could not be saved after training: written on trial, "
            f"it does not read back ({reason}). Use it with Frozen(), or choose another encoder."
        )
    _TRIED.add(key)


def _difference(encoder: TransformerEncoder, place: Path) -> str:
    """Return how an encoder in a folder differs from the one that was written; empty if equal."""
    import torch

    from nlptl.encoders.contextual.loaded import read_encoder

    loaded = encoder.loaded()
    folder = EncoderFolder(encoder.folder.name, place)
    stock = encoder.chosen_pooling.tokens == "stock"
    again = read_encoder(folder, loaded.dtype, "cpu", stock=stock).model.state_dict()
    weights = loaded.model.state_dict()
    for name, part in weights.items():
        if name not in again or not torch.equal(part.cpu(), again[name]):
            return f"weight {name!r} differs"
    text = "A text, written on trial."
    tokens = [tokenizer(text)["input_ids"] for tokenizer in (folder.tokenizer, loaded.tokenizer)]
    return "" if tokens[0] == tokens[1] else "the tokenizer differs"

"""Test that an encoder can be saved, before hours of training instead of after them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nlptl.base.errors import EncoderNotFoundError, IntegrityError, StorageError
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder, write_encoder
from nlptl.storage.hashing import fingerprint

MAX_BYTES_TO_TRY = 1_000_000_000
"""Above this size, the weights are not written as a test, because it would take too long."""

_TRIED: set[str] = set()


def check_saving(encoder: TransformerEncoder) -> None:
    """Check that an encoder with weights in memory can be saved and read again.

    The weights are written into a temporary folder and read again, once per architecture and
    process. There is no test for large weights, full disks and separately stored adapters.

    Parameters
    ----------
    encoder : TransformerEncoder
        The encoder before fine-tuning.

    Raises
    ------
    StorageError
        If the weights or the tokenizer differ after reading.
    """
    loaded = encoder.reader.loaded
    weights = loaded.model.state_dict()
    key = fingerprint([type(loaded.model).__name__, encoder.folder.fingerprint])
    size = sum(part.numel() * part.element_size() for part in weights.values())
    free = shutil.disk_usage(tempfile.gettempdir()).free
    too_large = size > MAX_BYTES_TO_TRY or 4 * size > free
    if key in _TRIED or too_large or loaded.adapter is not None:
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_encoder(encoder.with_weights(loaded), Path(folder))
            reason = _difference(encoder, Path(folder))
        except Exception as problem:  # libraries raise many error types
            from_reading = isinstance(problem, EncoderNotFoundError | IntegrityError)
            if not from_reading and (isinstance(problem, OSError) or "os error" in str(problem)):
                return  # the disk is too full for the test
            reason = f"{type(problem).__name__}: {str(problem).strip()[:200]}"
    if reason:
        raise StorageError(
            f"Encoder {encoder.folder.name!r} could not be saved after training: in a test, the "
            f"saved copy did not load correctly ({reason}). Use the encoder with Frozen(), or "
            "choose another encoder."
        )
    _TRIED.add(key)


def _difference(encoder: TransformerEncoder, path: Path) -> str:
    """Describe how the encoder in a folder differs from the original. Empty if both are equal."""
    import torch

    from nlptl.encoders.contextual.loaded import read_encoder

    loaded = encoder.reader.loaded
    folder = EncoderFolder(encoder.folder.name, path)
    stock = encoder.reader.is_stock
    saved_weights = read_encoder(folder, loaded.dtype, "cpu", stock=stock).model.state_dict()
    weights = loaded.model.state_dict()
    for name, part in weights.items():
        if name not in saved_weights or not torch.equal(part.cpu(), saved_weights[name]):
            return f"weight {name!r} differs"
    text = "A text, written on trial."
    tokens = [tokenizer(text)["input_ids"] for tokenizer in (folder.tokenizer, loaded.tokenizer)]
    return "" if tokens[0] == tokens[1] else "the tokenizer differs"

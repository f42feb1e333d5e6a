"""Encoders that this process has loaded: copies of an estimator share their weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from nlptl.base.chance import sheltered
from nlptl.base.errors import IntegrityError
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.contextual.precision import choose_dtype, stored_dtype

_SHELF: OrderedDict[tuple[str, str, str, bool], LoadedEncoder] = OrderedDict()
_LOCK = RLock()
_MAX_LOADED = 4


def load_encoder(
    folder: EncoderFolder, *, dtype: str, device: str | None, stock: bool = False
) -> LoadedEncoder:
    """Return an encoder, and load it only if this process has not loaded it yet.

    Parameters
    ----------
    folder : EncoderFolder
        The encoder.
    dtype : {"auto", "float32", "bfloat16"}
        Number format of the weights. ``"auto"`` is bfloat16 if the device supports it and a check
        confirms that the vectors agree. Otherwise it is float32.
    device : str or None
        Torch device. None means the first accelerator, or the CPU if there is none.
    stock : bool
        True includes the layers that transformers puts below its classifier.
    """
    chosen_device = device or default_device()
    chosen = stored_dtype(folder, chosen_device) if dtype == "auto" else dtype
    with _LOCK:
        key = (folder.fingerprint, chosen or "", chosen_device, stock)
        if key in _SHELF:
            _SHELF.move_to_end(key)
            return _SHELF[key]
    # Take the lock of the random state before _LOCK, in the same order as training does when it
    # loads an encoder. Otherwise the two locks could deadlock.
    with sheltered(), _LOCK:
        resolved_dtype = chosen or choose_dtype(folder, chosen_device)
        key = (folder.fingerprint, resolved_dtype, chosen_device, stock)
        if key not in _SHELF:
            _check_unchanged(folder)
            _SHELF[key] = read_encoder(folder, resolved_dtype, chosen_device, stock=stock)
            while len(_SHELF) > _MAX_LOADED:
                _SHELF.popitem(last=False)
        _SHELF.move_to_end(key)
        return _SHELF[key]


def _check_unchanged(folder: EncoderFolder) -> None:
    """Refuse files that changed since the folder was looked up."""
    if EncoderFolder(folder.name, folder.path).fingerprint != folder.fingerprint:
        raise IntegrityError(
            f"The files of encoder {folder.name!r} changed since it was opened. Load the model "
            "again, or restore the files."
        )


@contextmanager
def empty_shelf() -> Iterator[None]:
    """Reload every encoder inside the block and restore the loaded encoders after it."""
    with sheltered(), _LOCK:
        saved = dict(_SHELF)
        _SHELF.clear()
        try:
            yield
        finally:
            _SHELF.clear()
            _SHELF.update(saved)

"""One shelf of loaded encoders a process, so that copies of an estimator share weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.folder import EncoderFolder

_SHELF: OrderedDict[tuple[str, str, str], LoadedEncoder] = OrderedDict()
_LOCK = RLock()
_MOST = 4


@dataclass(frozen=True, eq=False)
class LoadedEncoder:
    """An encoder in memory.

    Attributes
    ----------
    folder : EncoderFolder
        Where it came from.
    model : torch.nn.Module
        In evaluation mode.
    dtype, device : str
        How and where its weights are held.
    dense : torch.nn.Module or None
        A further layer after pooling, where the folder has one.
    """

    folder: EncoderFolder
    model: Any
    dtype: str
    device: str
    dense: Any = None

    @property
    def tokenizer(self) -> Any:
        """The fast tokenizer of the encoder."""
        return self.folder.tokenizer

    def framed(self, ids: Sequence[int]) -> list[int]:
        """Put the special tokens of the encoder around token ids."""
        before, after = _frame(self.tokenizer)
        return [*before, *ids, *after]


def load_encoder(folder: EncoderFolder, *, dtype: str, device: str | None) -> LoadedEncoder:
    """Give an encoder from the shelf, loading it where it is not there.

    Parameters
    ----------
    folder : EncoderFolder
        The encoder.
    dtype : {"auto", "float32", "bfloat16"}
        How to hold the weights; ``"auto"`` is bfloat16 where the processor has it and the
        vectors were found to agree.
    device : str or None
        Torch device; None is the first accelerator, else the processor.
    """
    from nlptl.encoders.contextual.precision import choose_dtype

    place = device or default_device()
    with _LOCK:
        chosen = choose_dtype(folder, place) if dtype == "auto" else dtype
        key = (folder.fingerprint, chosen, place)
        if key not in _SHELF:
            _SHELF[key] = read_encoder(folder, chosen, place)
            while len(_SHELF) > _MOST:
                _SHELF.popitem(last=False)
        _SHELF.move_to_end(key)
        return _SHELF[key]


@contextmanager
def empty_shelf() -> Iterator[None]:
    """Load every encoder anew inside the block; give the shelf back after it."""
    with _LOCK:
        kept = dict(_SHELF)
        _SHELF.clear()
        try:
            yield
        finally:
            _SHELF.clear()
            _SHELF.update(kept)


def default_device() -> str:
    """Name the first accelerator, or the processor."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def read_encoder(folder: EncoderFolder, dtype: str, device: str) -> LoadedEncoder:
    """Load the weights of an encoder from safetensors, whatever the shelf holds.

    Raises
    ------
    EncoderNotFoundError
        If the folder has no safetensors weights, or transformers cannot load them.
    """
    import torch
    from transformers import AutoModel

    with _quiet():
        try:
            model = AutoModel.from_pretrained(
                str(folder.path),
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=True,
            )
        except (OSError, ValueError, RuntimeError) as problem:
            reason = str(problem).strip().split("\n", 1)[0][:200]
            raise EncoderNotFoundError(
                f"Cannot load encoder {folder.name!r}: {reason}. Only safetensors weights are "
                "read; convert others once with model.save_pretrained(FOLDER)."
            ) from problem
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    return LoadedEncoder(
        folder, model.eval().to(device), dtype, device, _dense_layer(folder, device)
    )


def _dense_layer(folder: EncoderFolder, device: str) -> Any:
    if folder.dense is None:
        return None
    import json

    import torch
    from safetensors.torch import load_file

    described = json.loads((folder.dense / "config.json").read_text(encoding="utf-8"))
    linear = torch.nn.Linear(
        described["in_features"], described["out_features"], bias=described.get("bias", True)
    )
    weights = load_file(folder.dense / "model.safetensors")
    linear.load_state_dict({name.removeprefix("linear."): w for name, w in weights.items()})
    activation = str(described.get("activation_function", "Tanh")).rpartition(".")[2]
    layers = torch.nn.Sequential(linear, getattr(torch.nn, activation)())
    return layers.eval().to(device)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Find which special tokens the tokenizer puts before and after a text."""
    marked = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else 0
    text = tokenizer.convert_ids_to_tokens(marked)
    framed = tokenizer(text)["input_ids"]
    bare = tokenizer(text, add_special_tokens=False)["input_ids"]
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            return framed[:start], framed[start + len(bare) :]
    return [], []


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing load reports; its settings are given back after."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

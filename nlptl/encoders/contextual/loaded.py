"""One shelf of loaded encoders a process, so that copies of an estimator share weights."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

from nlptl.base.chance import sheltered, torch_seed
from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.padding import padding_id
from nlptl.encoders.contextual.weight_checks import (
    MAX_PARTS,
    MAX_PARTS_PER_WEIGHT,
    MAX_TIMES_THE_WEIGHTS,
    MAX_UNTRAINED,
    at_most,
    count_weights,
    refuse_untrained,
)

_SHELF: OrderedDict[tuple[str, str, str, bool], LoadedEncoder] = OrderedDict()
_LOCK = RLock()
_MAX_LOADED = 4
_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


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
        Layers after pooling, where the folder has some.
    adapter : Adapter or None
        What was learnt beside the weights of the folder, where that is stored by itself; the
        model has it in its weights already.
    base : LoadedEncoder or None
        What the adapter stands beside, where that is not what the folder holds.
    """

    folder: EncoderFolder
    model: Any
    dtype: str
    device: str
    dense: Any = None
    adapter: Adapter | None = None
    base: LoadedEncoder | None = None

    @property
    def tokenizer(self) -> Any:
        """The fast tokenizer of the encoder."""
        return self.folder.tokenizer

    @property
    def fingerprint(self) -> str:
        """A short name for the weights as they are in memory."""
        import torch

        total = hashlib.sha256()
        for name, part in sorted(self.model.state_dict().items()):
            total.update(name.encode())
            flat = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            total.update(flat.numpy().tobytes())
        return total.hexdigest()[:32]

    def framed(self, ids: Sequence[int]) -> list[int]:
        """Put the special tokens of the encoder around token ids."""
        before, after = _frame(self.tokenizer)
        return [*before, *ids, *after]


def load_encoder(
    folder: EncoderFolder, *, dtype: str, device: str | None, stock: bool = False
) -> LoadedEncoder:
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
    stock : bool
        With the layers that transformers puts below its classifier.
    """
    from nlptl.encoders.contextual.precision import choose_dtype, stored_dtype

    place = device or default_device()
    chosen = stored_dtype(folder, place) if dtype == "auto" else dtype
    with _LOCK:
        key = (folder.fingerprint, chosen or "", place, stock)
        if key in _SHELF:
            _SHELF.move_to_end(key)
            return _SHELF[key]
    # Who reads weights takes the lock of chance first: a training holds it where it loads.
    with sheltered(), _LOCK:
        key = (folder.fingerprint, chosen or choose_dtype(folder, place), place, stock)
        if key not in _SHELF:
            _SHELF[key] = read_encoder(folder, key[1], place, stock=stock)
            while len(_SHELF) > _MAX_LOADED:
                _SHELF.popitem(last=False)
        _SHELF.move_to_end(key)
        return _SHELF[key]


@contextmanager
def empty_shelf() -> Iterator[None]:
    """Load every encoder anew inside the block; give the shelf back after it."""
    with sheltered(), _LOCK:
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


def read_encoder(
    folder: EncoderFolder,
    dtype: str,
    device: str,
    *,
    stock: bool = False,
    adapted: bool = True,
    attention_dropout: bool = True,
) -> LoadedEncoder:
    """Load the weights of an encoder from safetensors, whatever the shelf holds.

    Parameters
    ----------
    folder : EncoderFolder
    dtype, device : str
    stock : bool
        Load the model that transformers classifies with, and let it give what its last layer
        would see. Layers that were never pretrained start at random, always the same.
    adapted : bool
        With the adapter that lies beside the weights, where there is one.
    attention_dropout : bool
        In training, drop attention weights as the encoder's configuration says.

    Raises
    ------
    EncoderNotFoundError
        If the folder has no safetensors weights, or transformers cannot load them.
    """
    import torch
    import transformers

    if stock and folder.config.is_encoder_decoder:
        raise EncoderNotFoundError(
            f"Pooling(tokens='stock') is for encoders and decoders, and {folder.name!r} is an "
            "encoder-decoder, of which nlptl uses the encoder only. Choose another pooling."
        )
    kind = transformers.AutoModelForSequenceClassification if stock else transformers.AutoModel
    stated = {n: getattr(folder.config, n) for n in _DROPOUT if hasattr(folder.config, n)}
    model, report = read_weights(
        kind,
        folder,
        device,
        dtype=getattr(torch, dtype),
        **({} if attention_dropout else dict.fromkeys(stated, 0.0)),
    )
    for name, value in stated.items():
        setattr(model.config, name, value)  # what is saved says what it said
    check_language(folder)
    whole = model
    if model.config.is_encoder_decoder:
        model = encoder_half(model)
    refuse_untrained(whole, getattr(model, "base_model", model), report, folder.name)
    if stock:
        model.config.pad_token_id = padding_id(folder, stock=True)
        model = _without_classifier(model, report["missing_keys"])
    if adapted and folder.adapter is not None:
        model = Adapter.load(folder.adapter).merged_into(model)
    with foreign_errors(f"Cannot load encoder {folder.name!r}"):
        after_pooling = _after_pooling(folder, device)
    return LoadedEncoder(folder, model.eval().to(device), dtype, device, after_pooling)


def read_weights(kind: Any, folder: EncoderFolder, device: str, **options: Any) -> tuple[Any, Any]:
    """Load a model of transformers from safetensors, without code of the folder or a network.

    Parameters
    ----------
    kind : type
        A class of transformers such as ``AutoModel``.
    folder : EncoderFolder
    device : str
        ``"meta"`` reads no weights, only their shapes.
    **options
        For ``from_pretrained``.

    Returns
    -------
    tuple of (torch.nn.Module, dict)
        The model, and what transformers reports of the loading.

    Raises
    ------
    EncoderNotFoundError
        If the folder has no safetensors weights, or transformers cannot load them.
    IntegrityError
        If the weights are cut off, or far fewer than the settings ask for.
    """
    subject = f"Encoder {folder.name!r}"
    # The message of transformers would import every family.
    if type(folder.config) not in kind._model_mapping:
        family = folder.config.model_type
        raise EncoderNotFoundError(
            f"{subject} is of the family {family!r}, of which transformers has no {kind.__name__}. "
            "Choose another encoder."
        )
    weights, numbers = count_weights(folder.path, folder.name)
    limit = MAX_TIMES_THE_WEIGHTS * numbers + MAX_UNTRAINED
    parts = MAX_PARTS_PER_WEIGHT * weights + MAX_PARTS
    errors = foreign_errors(f"Cannot load encoder {folder.name!r}")
    with torch_seed(0), quiet_transformers(), errors, at_most(limit, subject, parts=parts):
        model, report = kind.from_pretrained(
            str(folder.path),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are refused by name after it
            output_loading_info=True,
            **({"device_map": "meta"} if device == "meta" else {}),
            **options,
        )
    return model, report


def check_language(folder: EncoderFolder) -> None:
    """Check that an encoder with layers per language has one that texts are read in.

    Raises
    ------
    EncoderNotFoundError
        If its configuration leaves the language open.
    """
    languages = getattr(folder.config, "languages", None)
    if languages and getattr(folder.config, "default_language", languages[0]) is None:
        raise EncoderNotFoundError(
            f"Encoder {folder.name!r} has layers per language, and its configuration names none. "
            f'Set "default_language" in its config.json to one of {", ".join(map(str, languages))}.'
        )


def encoder_half(model: Any) -> Any:
    """Return the encoder of an encoder-decoder of transformers."""
    half = model.get_encoder()
    if not hasattr(half, "config"):
        half.config = model.config
    return half


def classifier_name(model: Any) -> str:
    """Name the last linear layer of a model that classifies: what turns features into logits.

    Raises
    ------
    EncoderNotFoundError
        If there is none that gives as many numbers as there are labels.
    """
    from torch.nn import Identity, Linear

    last = ""
    for name, part in model.named_modules():
        named = name.rpartition(".")[2] in _CLASSIFIERS
        fits = isinstance(part, Linear) and part.out_features == model.config.num_labels
        if fits or (isinstance(part, Identity) and named):
            last = name
    if not last:
        raise EncoderNotFoundError(
            f"{type(model).__name__} ends in no linear layer that classifies."
        )
    return last


_CLASSIFIERS = ("classifier", "out_proj", "score")


def _without_classifier(model: Any, missing: Iterable[str]) -> Any:
    """Let a classifying model give what its last layer would see."""
    from torch.nn import Identity

    last = classifier_name(model)
    model.set_submodule(last, Identity())
    # peft stores layers that started at random whole, under the part of the model they are in.
    fresh = {name.split(".", 1)[0] for name in missing if not name.startswith(f"{last}.")}
    model.fresh_modules = tuple(sorted(fresh))
    return model


def _after_pooling(folder: EncoderFolder, device: str) -> Any:
    if not folder.layers_after_pooling:
        return None
    from nlptl.encoders.contextual.sentence_layers import read_layers

    return read_layers(folder.layers_after_pooling, folder.name).to(device)


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
def quiet_transformers() -> Iterator[None]:
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

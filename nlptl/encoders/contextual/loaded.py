"""Load encoders once per process, so that copies of an estimator share weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.padding import padding_id
from nlptl.encoders.contextual.weight_checks import refuse_untrained
from nlptl.encoders.contextual.weight_reading import read_weights
from nlptl.encoders.contextual.windows import TOKENIZER_LOCK

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


@dataclass(frozen=True, eq=False)
class LoadedEncoder:
    """Encoder with its weights in memory.

    Attributes
    ----------
    folder : EncoderFolder
        Folder from which the encoder was loaded.
    model : torch.nn.Module
        The model in evaluation mode.
    dtype, device : str
        Number format and device of the weights.
    dense : torch.nn.Module or None
        Layers after pooling, if the folder has any.
    adapter : Adapter or None
        Fitted adapter, if it is stored separately from the weights of the folder. The weights of
        ``model`` already include it.
    base : LoadedEncoder or None
        Encoder that the adapter belongs to, if its weights differ from those in the folder.
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
        """Tokenizer of the encoder."""
        return self.folder.tokenizer

    @property
    def fingerprint(self) -> str:
        """Hash of the weights in memory."""
        import torch

        total = hashlib.sha256()
        for name, part in sorted(self.model.state_dict().items()):
            total.update(name.encode())
            flat = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            total.update(flat.numpy().tobytes())
        return total.hexdigest()[:32]

    def framed(self, ids: Sequence[int]) -> list[int]:
        """Add the special tokens of the encoder before and after token ids."""
        before, after = _frame(self.tokenizer)
        return [*before, *ids, *after]


def default_device() -> str:
    """Return the name of the first accelerator, or of the CPU if there is none."""
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
    """Load the weights of an encoder from safetensors, even if the process has loaded them before.

    Parameters
    ----------
    folder : EncoderFolder
        Folder of the encoder.
    dtype, device : str
        Number format and device of the weights.
    stock : bool
        True loads the classifier of transformers and returns the input of its last layer. Layers
        that were never pretrained are initialised with a fixed random seed.
    adapted : bool
        True merges the adapter of the folder, if there is one.
    attention_dropout : bool
        True uses the attention dropout of the encoder's configuration in training. False
        switches it off.

    Raises
    ------
    EncoderNotFoundError
        If the folder has no safetensors weights, or transformers cannot load them.
    """
    import torch
    import transformers

    if stock and folder.config.is_encoder_decoder:
        raise EncoderNotFoundError(
            "Pooling(tokens='stock') needs an encoder or a decoder, but "
            f"{folder.name!r} is an encoder-decoder, of which nlptl uses the encoder only. "
            "Choose another pooling."
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
        setattr(model.config, name, value)  # saved models keep the original setting
    check_language(folder)
    full_model = model
    if model.config.is_encoder_decoder:
        model = encoder_half(model)
    refuse_untrained(full_model, getattr(model, "base_model", model), report, folder.name)
    if stock:
        model.config.pad_token_id = padding_id(folder, stock=True)
        model = _without_classifier(model, report["missing_keys"])
    if adapted and folder.adapter is not None:
        model = Adapter.load(folder.adapter).merged_into(model)
    with foreign_errors(f"Cannot load encoder {folder.name!r}"):
        after_pooling = _after_pooling(folder, device)
    return LoadedEncoder(folder, model.eval().to(device), dtype, device, after_pooling)


def check_language(folder: EncoderFolder) -> None:
    """Check that an encoder with layers per language has a default language.

    Raises
    ------
    EncoderNotFoundError
        If its configuration names no default language.
    """
    languages = getattr(folder.config, "languages", None)
    if languages and getattr(folder.config, "default_language", languages[0]) is None:
        raise EncoderNotFoundError(
            f"Encoder {folder.name!r} has layers per language and needs a default language, but "
            "its configuration names none. "
            f'Set "default_language" in its config.json to one of {", ".join(map(str, languages))}.'
        )


def encoder_half(model: PreTrainedModel) -> Any:
    """Return the encoder part of an encoder-decoder model."""
    half = model.get_encoder()
    if not hasattr(half, "config"):
        half.config = model.config
    return half


def classifier_name(model: PreTrainedModel) -> str:
    """Return the name of the last linear layer of a classifier, which computes the logits.

    Raises
    ------
    EncoderNotFoundError
        If no linear layer has one output per label.
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
            f"{type(model).__name__} must end in a linear layer with {model.config.num_labels} "
            "outputs, one per label, but has none. Choose another encoder."
        )
    return last


_CLASSIFIERS = ("classifier", "out_proj", "score")


def _without_classifier(model: PreTrainedModel, missing: Iterable[str]) -> Any:
    """Replace the last layer of a classifier, so that the model returns the input of this layer."""
    from torch.nn import Identity

    last = classifier_name(model)
    model.set_submodule(last, Identity())
    # peft stores randomly initialised layers completely, under the top-level part they are in.
    fresh = {name.split(".", 1)[0] for name in missing if not name.startswith(f"{last}.")}
    model.fresh_modules = tuple(sorted(fresh))
    return model


def _after_pooling(folder: EncoderFolder, device: str) -> Any:
    if not folder.sentence.layers_after_pooling:
        return None
    from nlptl.encoders.contextual.sentence_layers import read_layers

    return read_layers(folder.sentence.layers_after_pooling, folder.name).float().to(device)


def _frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer puts before and after a text."""
    token_id = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else 0
    text = tokenizer.convert_ids_to_tokens(token_id)
    with TOKENIZER_LOCK:
        framed = tokenizer(text)["input_ids"]
        bare = tokenizer(text, add_special_tokens=False)["input_ids"]
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            return framed[:start], framed[start + len(bare) :]
    return [], []

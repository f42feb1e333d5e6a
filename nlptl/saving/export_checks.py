"""Checks of a classifier before its export, with advice on how to fit one for the format."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.pooling import Pooling
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.transfers import as_transfers
from nlptl.saving.linear_head import calibrated_head
from nlptl.saving.saved_model import SavedClassifier

_KEEP = "To export this model as it is, use format='onnx' (nlptl export: --format onnx)."


def check_export(classifier: SavedClassifier, format: str) -> TransformerEncoder:  # noqa: A002
    """Return the encoder of a classifier, after a check that the format can represent the model.

    No weights are loaded and nothing is written.

    Raises
    ------
    ConfigError
        If the format cannot represent the model. The message names the options of a fit that it
        can represent, in Python and on the command line.
    """
    fitted = classifier.fitted_
    encoder = fitted.features.encoder
    if not is_tunable(encoder):
        raise ConfigError(
            f"format={format!r} needs a TransformerEncoder, got {type(encoder).__name__}. Fit with "
            "a TransformerEncoder (nlptl train: --encoder transformer), or save the model."
        )
    if fitted.probe.are_pairs and not fitted.features.joint:
        raise ConfigError(
            "Other libraries encode the two texts of a pair together, but this model encodes them "
            "separately. Fit it with pair_encoding='joint' (nlptl train: --pair-encoding joint)."
        )
    calibrated_head(fitted.scorer)
    if format in _CHECKS:
        _CHECKS[format](classifier, encoder)
    return encoder


def _check_transformers(classifier: SavedClassifier, encoder: TransformerEncoder) -> None:
    """Check that a classifier of transformers uses the pooling of this model."""
    _refuse_prompt(encoder, "transformers")
    if not encoder.reader.is_stock:
        raise ConfigError(
            "format='transformers' needs the pooling of transformers, tokens='stock', but this "
            f"model has {_read(classifier.fitted_, encoder)}. Fit with TransformerEncoder(name, "
            "pooling=Pooling(tokens='stock', normalize=False)) and transfer=FullFineTune() (nlptl "
            "train: --transfer full --encoder.pooling '{tokens: stock, normalize: false}'). "
            f"{_KEEP}"
        )


def _refuse_prompt(encoder: TransformerEncoder, format: str) -> None:  # noqa: A002
    """Refuse an encoder with a default prompt, which the other library would leave out."""
    prompt = encoder.folder.sentence.prompt
    if prompt:
        raise ConfigError(
            f"format={format!r} cannot put the default prompt {prompt!r} of this encoder before "
            f"each text, so it would predict differently. {_KEEP}"
        )


def _check_peft(classifier: SavedClassifier, encoder: TransformerEncoder) -> None:
    """Check that the model has an adapter that is separate from the weights of its encoder."""
    weights = encoder.weights
    if (encoder.folder if weights is None else weights).adapter is None:
        raise ConfigError(
            "format='peft' needs a model with a separate adapter, and this model has none. Fit it "
            "with transfer=LoRA(merge=False) (nlptl train: --transfer lora --transfer.merge false)."
        )
    if weights is not None and weights.base is not None:
        raise ConfigError(
            "format='peft' needs an adapter of the original encoder, but this adapter belongs "
            "to an encoder that was fine-tuned before, and peft cannot load that encoder. "
            "Export with format='transformers', or save the model."
        )
    _refuse_prompt(encoder, "peft")
    if not _reads_last_layer(classifier.fitted_):
        raise ConfigError(
            "format='peft' needs a head on the last layer, but this model has "
            f"{_read(classifier.fitted_, encoder)}. {_on_top(classifier)} {_KEEP}"
        )


def _check_sentences(classifier: SavedClassifier, encoder: TransformerEncoder) -> None:
    """Check that sentence-transformers supports the pooling of this model."""
    fitted, reader = classifier.fitted_, encoder.reader
    need = "format='sentence-transformers' needs single texts and plain token pooling of the last"
    if fitted.probe.are_pairs or reader.folder.sentence.layers_after_pooling:
        received = "a model of pairs" if fitted.probe.are_pairs else "layers after the pooling"
        raise ConfigError(f"{need} layer, got {received}. {_KEEP}")
    if reader.is_stock or reader.pooling.dimension or not _reads_last_layer(fitted):
        raise ConfigError(
            f"{need} layer, but this model has {_read(fitted, encoder)}. {_on_top(classifier)} "
            f"{_KEEP}"
        )


_CHECKS = MappingProxyType(
    {
        "transformers": _check_transformers,
        "peft": _check_peft,
        "sentence-transformers": _check_sentences,
    }
)


def _reads_last_layer(fitted: FittedModel) -> bool:
    """Return True if the head of a transformer reads the vector of the last layer and no other."""
    encoder = fitted.features.encoder
    layers = encoder.reader.pooling.layers
    if len(layers) != len(fitted.features.weights):  # the layers are averaged or reduced
        return False
    read = [layer for layer, weight in zip(layers, fitted.features.weights, strict=True) if weight]
    return read in ([-1], [encoder.folder.n_layers])


def _read(fitted: FittedModel, encoder: TransformerEncoder) -> str:
    """Describe which vectors the head of a model reads."""
    pooling = encoder.reader.pooling
    n_layers = np.count_nonzero(fitted.features.weights)
    if n_layers > 1:
        return f"a head on {n_layers} layers with tokens={pooling.tokens!r}"
    others = {name: value for name, value in pooling.get_params().items() if name != "tokens"}
    changed = {name: value for name, value in others.items() if value != getattr(Pooling(), name)}
    settings = {"tokens": pooling.tokens, **changed}
    return f"Pooling({', '.join(f'{name}={value!r}' for name, value in settings.items())})"


def _on_top(classifier: SavedClassifier) -> str:
    """Return advice on how to fit the model so that its head reads the last layer alone."""
    if np.count_nonzero(classifier.fitted_.features.weights) < 2:
        return (
            "Fit with TransformerEncoder(name, pooling=Pooling()) (nlptl train: --encoder.pooling "
            "'{tokens: mean}')."
        )
    if as_transfers(classifier.transfer_).tunes:
        return "Fit with features='top' in the transfer (nlptl train: --transfer.features top)."
    return "Fit with transfer=Frozen('top') (nlptl train: --transfer frozen --transfer.layers top)."

"""Several tasks on one encoder in memory: an adapter and a head each, chosen per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.contextual.adapters import Adapter, peft_config, quiet
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.fitted import FittedModel

if TYPE_CHECKING:
    from nlptl.estimators.text_classifier import TextClassifier


class AdapterStack:
    """Classifiers that were tuned with ``LoRA(merge=False)`` on the same encoder, held together.

    The encoder is in memory once, however many tasks there are; each adds its adapter and head.

    Parameters
    ----------
    models : mapping of str to TextClassifier
        Fitted, by name.
    device : str or None
        Torch device; None is the first accelerator, else the processor.

    Raises
    ------
    ConfigError
        If a model has no adapter of its own, or the encoders differ.

    Once two classifiers were saved, ``AdapterStack.load({"topic": "topic/", "tone": "tone/"})``
    reads them, and ``stack.predict(texts, adapter="tone")`` asks one.
    """

    def __init__(self, models: Mapping[str, TextClassifier], *, device: str | None = None) -> None:
        if not models:
            raise ConfigError("AdapterStack needs at least one model, got none.")
        adapters = {name: _adapter_of(name, model) for name, model in models.items()}
        bases = {name: _base_of(model) for name, model in models.items()}
        first = next(iter(models))
        for name, adapter in adapters.items():
            if adapter.moves_base:
                raise ConfigError(
                    f"The adapter of {name!r} starts by changing the encoder that all would share "
                    f"(init_lora_weights={adapter.config['init_lora_weights']!r})."
                )
        for name, base in bases.items():
            if base != bases[first]:
                raise ConfigError(
                    f"{name!r} was tuned on another encoder than {first!r}: one encoder is shared."
                )
        self._model, inner = _shared(models[first], adapters, device or default_device())
        self._fitted = {name: _on(inner, model.fitted_) for name, model in models.items()}

    @classmethod
    def load(cls, folders: Mapping[str, str | Path], *, device: str | None = None) -> Self:
        """Read saved classifiers, by name."""
        from nlptl.estimators.text_classifier import TextClassifier

        models = {name: TextClassifier.load(folder) for name, folder in folders.items()}
        return cls(models, device=device)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the models."""
        return tuple(self._fitted)

    def predict(self, texts: Any, *, adapter: str | Sequence[str]) -> Any:
        """Give the label of each text.

        Parameters
        ----------
        texts : sequence of str or of (str, str)
        adapter : str or sequence of str
            Which model reads all texts, or which one reads each of them.

        Returns
        -------
        ndarray or list
            As ``TextClassifier.predict``; a list where models differ from text to text.
        """
        if isinstance(adapter, str):
            fitted = self._of(adapter)
            chosen = fitted.scorer.decision.choose(self.predict_proba(texts, adapter=adapter))
            return fitted.codec.decode(chosen)
        rows, names = as_rows(texts), list(adapter)
        if len(names) != len(rows):
            raise InputError(
                f"Each text needs one adapter, got {len(rows)} texts and {len(names)} names."
            )
        answers: list[Any] = [None] * len(rows)
        for name in dict.fromkeys(names):
            places = np.flatnonzero([one == name for one in names])
            for place, label in zip(
                places, self.predict(rows.take(places), adapter=name), strict=True
            ):
                answers[place] = label
        return answers

    def predict_proba(self, texts: Any, *, adapter: str) -> FloatArray:
        """Give the probability of each class of one model: (n, n_classes)."""
        fitted = self._of(adapter)
        self._model.set_adapter(adapter)
        rows: Rows = as_rows(texts)
        probabilities: FloatArray = fitted.scorer.probabilities(fitted.features.transform(rows))
        return probabilities

    def _of(self, adapter: str) -> Any:
        if adapter not in self._fitted:
            raise ConfigError(f"No adapter is called {adapter!r}. {suggest(adapter, self._fitted)}")
        return self._fitted[adapter]


def _on(inner: LoadedEncoder, fitted: FittedModel) -> FittedModel:
    """Let what was fitted read with the shared encoder."""
    encoder = replace(fitted.features.encoder, weights=inner, dtype="float32", device=inner.device)
    return replace(fitted, features=replace(fitted.features, encoder=encoder))


def _adapter_of(name: str, model: TextClassifier) -> Adapter:
    encoder = model.fitted_.features.encoder
    if isinstance(encoder, TransformerEncoder):
        if encoder.weights is not None and encoder.weights.adapter is not None:
            return encoder.weights.adapter
        if encoder.weights is None and encoder.folder.adapter is not None:
            return Adapter.load(encoder.folder.adapter)
    raise ConfigError(
        f"{name!r} has no adapter of its own. Tune it with transfer=LoRA(merge=False)."
    )


def _base_of(model: TextClassifier) -> tuple[str, bool]:
    encoder = model.fitted_.features.encoder
    return encoder.folder.without_adapter, encoder.chosen_pooling.tokens == "stock"


def _shared(
    model: TextClassifier, adapters: Mapping[str, Adapter], device: str
) -> tuple[Any, LoadedEncoder]:
    """Read the encoder once and put every adapter into it."""
    import torch
    from peft import set_peft_model_state_dict

    encoder = model.fitted_.features.encoder
    stock = encoder.chosen_pooling.tokens == "stock"
    base = read_encoder(encoder.folder, "float32", device, stock=stock, adapted=False)
    names = list(adapters)
    held = adapters[names[0]].put_into(base.model, name=names[0])
    with sheltered(), quiet():
        for name in names[1:]:
            held.add_adapter(name, peft_config(adapters[name].config))
            tensors = {key: torch.from_numpy(a) for key, a in adapters[name].arrays.items()}
            set_peft_model_state_dict(held, tensors, adapter_name=name)
    return held.eval(), replace(base, model=held.base_model.model.eval())

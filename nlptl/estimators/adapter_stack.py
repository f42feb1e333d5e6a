"""Predict several tasks with one encoder in memory, and one adapter and head per task."""

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
from nlptl.base.inputs import TextsLike
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.contextual.adapters import Adapter, peft_config, quiet
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.fitted import FittedModel

if TYPE_CHECKING:
    from nlptl.estimators.text_classifier import TextClassifier


class AdapterStack:
    """Serve several classifiers that share one encoder in memory.

    The classifiers were tuned with ``LoRA(merge=False)`` on the same encoder. The encoder is in
    memory only once. Each classifier adds its adapter and its head, and is selected by name.

    Parameters
    ----------
    models : mapping of str to TextClassifier
        The fitted classifiers by name.
    device : str or None
        Torch device. None is the first accelerator, or the CPU if there is none.

    Raises
    ------
    ConfigError
        If a model has no adapter of its own, or the encoders differ.

    Examples
    --------
    The two folders hold classifiers that were saved before.

    >>> stack = AdapterStack.load({"topic": "topic/", "tone": "tone/"})  # doctest: +SKIP
    >>> stack.predict(texts, adapter="tone")  # doctest: +SKIP
    """

    def __init__(self, models: Mapping[str, TextClassifier], *, device: str | None = None) -> None:
        if not models:
            raise ConfigError(
                "AdapterStack needs at least one model, got none. Pass {name: model}."
            )
        for name, model in models.items():
            if model.fitted_.codec.numeric:
                raise ConfigError(
                    f"AdapterStack holds classifiers, but {name!r} predicts numbers. Leave it out."
                )
        adapters = {name: _adapter_of(name, model) for name, model in models.items()}
        bases = {name: _base_of(model) for name, model in models.items()}
        first = next(iter(models))
        for name, adapter in adapters.items():
            if adapter.moves_base:
                raise ConfigError(
                    f"The adapter of {name!r} changes the weights of the encoder that all models "
                    f"share (init_lora_weights={adapter.config['init_lora_weights']!r}). Tune it "
                    "with another initialisation."
                )
        for name, base in bases.items():
            if base != bases[first]:
                raise ConfigError(
                    f"All models must share one encoder, but {name!r} was tuned on another encoder "
                    f"than {first!r}. Make one AdapterStack per encoder."
                )
        self._model, inner = _shared(models[first], adapters, device or default_device())
        self._fitted = {name: _on(inner, model.fitted_) for name, model in models.items()}

    @classmethod
    def load(cls, folders: Mapping[str, str | Path], *, device: str | None = None) -> Self:
        """Load saved classifiers from their folders, by name."""
        from nlptl.estimators.text_classifier import TextClassifier

        models = {name: TextClassifier.load(folder) for name, folder in folders.items()}
        return cls(models, device=device)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self._fitted)

    def predict(self, texts: TextsLike, *, adapter: str | Sequence[str]) -> Any:
        """Return the label of each text.

        Parameters
        ----------
        texts : sequence of str or of (str, str)
        adapter : str or sequence of str
            Name of the model for all texts, or one name per text.

        Returns
        -------
        ndarray or list
            As ``TextClassifier.predict``. A list if there is one name per text.
        """
        if isinstance(adapter, str):
            fitted = self._of(adapter)
            chosen = fitted.scorer.decision.choose(self.predict_proba(texts, adapter=adapter))
            return fitted.codec.decode(chosen)
        rows, names = as_rows(texts), list(adapter)
        if len(names) != len(rows):
            raise InputError(
                f"Each text needs one adapter, got {len(rows)} texts and {len(names)} names. "
                "Pass one name per text, or one name for all."
            )
        labels: list[Any] = [None] * len(rows)
        for name in dict.fromkeys(names):
            indices = np.flatnonzero([adapter_name == name for adapter_name in names])
            for index, label in zip(
                indices, self.predict(rows.take(indices), adapter=name), strict=True
            ):
                labels[index] = label
        return labels

    def predict_proba(self, texts: TextsLike, *, adapter: str) -> FloatArray:
        """Return the probability of each class of one model: (n, n_classes)."""
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
    """Return the fitted model with the shared encoder in place of its own."""
    encoder = replace(
        fitted.features.encoder, weights=inner, precision="float32", device=inner.device
    )
    return replace(fitted, features=replace(fitted.features, encoder=encoder))


def _adapter_of(name: str, model: TextClassifier) -> Adapter:
    encoder = model.fitted_.features.encoder
    if is_tunable(encoder):
        if encoder.weights is not None and encoder.weights.adapter is not None:
            return encoder.weights.adapter
        if encoder.weights is None and encoder.folder.adapter is not None:
            return Adapter.load(encoder.folder.adapter)
    raise ConfigError(
        f"{name!r} has no adapter of its own. Tune it with transfer=LoRA(merge=False)."
    )


def _base_of(model: TextClassifier) -> tuple[str, bool]:
    encoder = model.fitted_.features.encoder
    return encoder.folder.without_adapter, encoder.reader.is_stock


def _shared(
    model: TextClassifier, adapters: Mapping[str, Adapter], device: str
) -> tuple[Any, LoadedEncoder]:
    """Load the encoder once and put every adapter into it."""
    import torch
    from peft import set_peft_model_state_dict

    encoder = model.fitted_.features.encoder
    stock = encoder.reader.is_stock
    base = read_encoder(encoder.folder, "float32", device, stock=stock, adapted=False)
    names = list(adapters)
    peft_model = adapters[names[0]].put_into(base.model, name=names[0])
    with sheltered(), quiet():
        for name in names[1:]:
            peft_model.add_adapter(name, peft_config(adapters[name].config))
            tensors = {key: torch.from_numpy(a) for key, a in adapters[name].arrays.items()}
            set_peft_model_state_dict(peft_model, tensors, adapter_name=name)
    return peft_model.eval(), replace(base, model=peft_model.base_model.model.eval())

"""Insert, extract, store and merge adapters of peft."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, IntegrityError
from nlptl.encoders.contextual.adapter_settings import checked_settings
from nlptl.encoders.contextual.encoder_checks import foreign_errors, read_json
from nlptl.encoders.contextual.weight_reading import at_most
from nlptl.storage.tensors import load_arrays, save_arrays

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

FOLDER = "adapter"
_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_NAME = "default"
_MISFIT = "The adapter does not fit its encoder"
MAX_TIMES_THE_NUMBERS = 2
"""Size limit, relative to adapter plus encoder: some adapters copy parts of the encoder."""
MAX_SHARED = 25_000_000
"""Allowance for numbers that layers share. They are counted once per layer."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """Fitted adapter: weights that are trained in addition to those of an encoder.

    Attributes
    ----------
    config : dict
        The peft settings as plain JSON.
    arrays : dict of str to ndarray
        Weights, under the names that peft uses to store them.
    """

    config: dict[str, Any]
    arrays: Mapping[str, AnyArray]

    def save(self, folder: Path) -> None:
        """Write the settings and weights files that ``peft`` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = json.dumps(self.config, indent=1, sort_keys=True)
        (folder / _CONFIG).write_text(settings, encoding="utf-8")
        save_arrays(folder / _WEIGHTS, self.arrays)

    @classmethod
    def load(cls, folder: Path) -> Adapter:
        """Load an adapter that ``save`` or peft wrote.

        Raises
        ------
        IntegrityError
            If a file is missing, or nlptl does not support the settings.
        """
        if not (folder / _WEIGHTS).is_file():
            raise IntegrityError(
                f"The adapter in {str(folder)!r} has no {_WEIGHTS}. Restore a copy."
            )
        arrays = load_arrays(folder / _WEIGHTS)
        return cls(checked_settings(read_json(folder / _CONFIG), arrays, str(folder)), arrays)

    def middle(self, other: Adapter, share: float = 0.5) -> Adapter | None:
        """Return the adapter whose change to each layer is the weighted mean of two adapters.

        The change to a layer is a product of two matrices. The mean of two such products is again
        a product. Its rank is the sum of the two ranks.

        Parameters
        ----------
        other : Adapter
            An adapter with the same settings, except for its rank.
        share : float
            Weight of the other adapter in the mean, from 0 to 1.

        Returns
        -------
        Adapter or None
            None if this type of adapter cannot be averaged in this way.
        """
        config = self.config
        not_additive = ("use_dora", "rank_pattern", "alpha_pattern", "lora_bias")
        if config.get("peft_type") != "LORA" or any(config.get(name) for name in not_additive):
            return None
        if self.moves_base:
            return None
        arrays = {}
        for name, first in self.arrays.items():
            second = other.arrays[name]
            if ".lora_A." in name:
                arrays[name] = np.concatenate([first, second], axis=0)
            elif ".lora_B." in name:
                arrays[name] = np.concatenate([(1 - share) * first, share * second], axis=1)
            elif "lora_" in name:
                return None
            else:
                arrays[name] = (1 - share) * first + share * second
        rank = config["r"] + other.config["r"]
        growth = rank / config["r"]  # alpha grows with the rank, so that the scale stays the same
        growth = np.sqrt(growth) if config.get("use_rslora") else growth
        changes = {"r": rank, "lora_alpha": float(growth * config["lora_alpha"])}
        return Adapter({**config, **changes}, arrays)

    @property
    def moves_base(self) -> bool:
        """True if the initialisation of the adapter also changes the weights of the encoder."""
        start = str(self.config.get("init_lora_weights", True))
        return start.startswith(("pissa", "olora", "corda", "loftq"))

    def put_into(self, model: PreTrainedModel, *, name: str = _NAME) -> Any:
        """Insert the adapter into an encoder and return the peft model.

        Raises
        ------
        IntegrityError
            If the weights do not fit the encoder.
        """
        import torch
        from peft import (
            get_peft_model,
            get_peft_model_state_dict,
            set_peft_model_state_dict,
        )

        config = peft_config(self.config)
        numbers = sum(array.size for array in self.arrays.values())
        numbers += sum(part.numel() for part in model.parameters())
        with (
            sheltered(),
            quiet(),
            foreign_errors(_MISFIT, IntegrityError),
            at_most(MAX_TIMES_THE_NUMBERS * numbers + MAX_SHARED, "The adapter"),
        ):
            adapted = get_peft_model(model, config, adapter_name=name)
            tensors = {key: torch.from_numpy(array) for key, array in self.arrays.items()}
            result: Any = set_peft_model_state_dict(adapted, tensors, adapter_name=name)
            expected = get_peft_model_state_dict(
                adapted, adapter_name=name, save_embedding_layers=False
            )
        missing = sorted(set(expected) - set(self.arrays)) if config.peft_type == "LORA" else []
        if result.unexpected_keys or missing:
            key = (result.unexpected_keys or missing)[0]
            reason = "has no weights" if missing else "is not part of the encoder"
            raise IntegrityError(f"{_MISFIT}: {key!r} {reason}. Restore a copy.")
        return adapted.eval()

    def merged_into(self, model: PreTrainedModel) -> Any:
        """Return the encoder with the adapter added to its weights, if its type allows that."""
        return merged(self.put_into(model))


def peft_config(described: Mapping[str, object]) -> Any:
    """Build a peft config from plain JSON.

    Raises
    ------
    ConfigError
        If peft does not support these settings.
    """
    import peft

    try:
        return peft.get_peft_config(dict(described))
    except (KeyError, TypeError, ValueError) as problem:
        kind = described.get("peft_type")
        raise ConfigError(
            f"peft has no adapter {kind!r} with these settings: {problem}. Correct peft_type or "
            "its options."
        ) from problem


def plain(config: PeftConfig) -> dict[str, Any]:
    """Return a peft config as plain JSON, without the local path of the encoder."""
    settings = {name: _json_value(value) for name, value in config.to_dict().items()}
    return {**settings, "inference_mode": True, "base_model_name_or_path": None}


def adapted(model: PreTrainedModel, config: PeftConfig, *, name: str = _NAME) -> Any:
    """Insert a new adapter into an encoder. Training then changes the adapter only.

    Raises
    ------
    ConfigError
        If this type of adapter adds no weights to layers, or no layer matches its settings.
    """
    from peft import get_peft_model

    if getattr(config, "is_prompt_learning", False):
        raise ConfigError(
            f"Encoders need an adapter of layers, but {type(config).__name__} trains a prompt. "
            "Use LoRA() or another adapter of layers."
        )
    try:
        with quiet():
            return get_peft_model(model, config, adapter_name=name)
    except ValueError as problem:
        reason = str(problem).split("\n", 1)[0]
        raise ConfigError(f"peft cannot adapt {type(model).__name__}: {reason}") from problem


def taken_out(model: Any, *, name: str = _NAME) -> Adapter:
    """Extract a copy of an adapter from a peft model."""
    from peft import get_peft_model_state_dict

    with quiet():
        weights = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    arrays = {key: part.detach().cpu().numpy().copy() for key, part in weights.items()}
    return Adapter(plain(model.peft_config[name]), arrays)


def merged(model: PreTrainedModel) -> Any:
    """Merge an adapter into the weights. Keep it separate if its type cannot be merged."""
    inner = model.base_model.model
    try:
        with quiet():
            return model.merge_and_unload().eval()
    except (NotImplementedError, AttributeError):
        return inner.eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings of peft about names and caches, because users cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _json_value(value: object) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "value", value)

"""Adapters of peft: put into an encoder, taken out, stored, merged."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, IntegrityError
from nlptl.encoders.contextual.adapter_settings import checked_settings
from nlptl.encoders.contextual.encoder_checks import foreign_errors, read_json
from nlptl.encoders.contextual.weight_checks import at_most
from nlptl.storage.tensors import load_arrays, save_arrays

FOLDER = "adapter"
_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_NAME = "default"
_MISFIT = "The adapter does not fit its encoder"
MAX_TIMES_THE_NUMBERS = 2
"""Of adapter and encoder together: some kinds keep parts of the encoder a second time."""
MAX_SHARED = 25_000_000
"""Numbers that layers share, which are counted with each of them."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """What was learnt beside the weights of an encoder.

    Attributes
    ----------
    config : dict
        The settings of peft as plain JSON.
    arrays : dict of str to ndarray
        Weights under the names that peft stores them by.
    """

    config: dict[str, Any]
    arrays: Mapping[str, AnyArray]

    def save(self, folder: Path) -> None:
        """Write the two files that ``peft`` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        told = json.dumps(self.config, indent=1, sort_keys=True)
        (folder / _CONFIG).write_text(told, encoding="utf-8")
        save_arrays(folder / _WEIGHTS, self.arrays)

    @classmethod
    def load(cls, folder: Path) -> Adapter:
        """Read what ``save``, or peft, wrote.

        Raises
        ------
        IntegrityError
            If a file is missing, or the settings are not those of an adapter that nlptl writes.
        """
        if not (folder / _WEIGHTS).is_file():
            raise IntegrityError(
                f"The adapter in {str(folder)!r} has no {_WEIGHTS}. Restore a copy."
            )
        arrays = load_arrays(folder / _WEIGHTS)
        return cls(checked_settings(read_json(folder / _CONFIG), arrays, str(folder)), arrays)

    def middle(self, other: Adapter, share: float = 0.5) -> Adapter | None:
        """Give the adapter whose change of each layer is the mean of two.

        The change of a layer is a product of two matrices, and the mean of two products is a
        product whose rank is the sum of theirs.

        Parameters
        ----------
        other : Adapter
            Of the same settings, but for its rank.
        share : float
            What the other counts.

        Returns
        -------
        Adapter or None
            None where the adapter is of a kind that does not add up so.
        """
        config = self.config
        odd = ("use_dora", "rank_pattern", "alpha_pattern", "lora_bias")
        if config.get("peft_type") != "LORA" or any(config.get(name) for name in odd):
            return None
        if self.moves_base:
            return None
        arrays = {}
        for name, own in self.arrays.items():
            further = other.arrays[name]
            if ".lora_A." in name:
                arrays[name] = np.concatenate([own, further], axis=0)
            elif ".lora_B." in name:
                arrays[name] = np.concatenate([(1 - share) * own, share * further], axis=1)
            elif "lora_" in name:
                return None
            else:
                arrays[name] = (1 - share) * own + share * further
        rank = config["r"] + other.config["r"]
        grows = rank / config["r"]  # so that the scale stays
        grows = np.sqrt(grows) if config.get("use_rslora") else grows
        changes = {"r": rank, "lora_alpha": float(grows * config["lora_alpha"])}
        return Adapter({**config, **changes}, arrays)

    @property
    def moves_base(self) -> bool:
        """Whether putting it in changes the weights below too, as some ways to start do."""
        start = str(self.config.get("init_lora_weights", True))
        return start.startswith(("pissa", "olora", "corda", "loftq"))

    def put_into(self, model: Any, *, name: str = _NAME) -> Any:
        """Put the adapter into an encoder, beside its weights; give the model of peft.

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
            found: Any = set_peft_model_state_dict(adapted, tensors, adapter_name=name)
            expected = get_peft_model_state_dict(
                adapted, adapter_name=name, save_embedding_layers=False
            )
        missing = sorted(set(expected) - set(self.arrays)) if config.peft_type == "LORA" else []
        if found.unexpected_keys or missing:
            key = (found.unexpected_keys or missing)[0]
            raise IntegrityError(
                f"{_MISFIT}: {key!r} has no {'weights' if missing else 'place'}. Restore a copy."
            )
        return adapted.eval()

    def merged_into(self, model: Any) -> Any:
        """Give the encoder with the adapter added to its weights, where its kind allows that."""
        return merged(self.put_into(model))


def peft_config(described: Mapping[str, Any]) -> Any:
    """Make the settings of peft from plain JSON.

    Raises
    ------
    ConfigError
        If peft does not know them.
    """
    import peft

    try:
        return peft.get_peft_config(dict(described))
    except (KeyError, TypeError, ValueError) as problem:
        kind = described.get("peft_type")
        raise ConfigError(
            f"peft has no adapter {kind!r} with these settings: {problem}"
        ) from problem


def plain(config: Any) -> dict[str, Any]:
    """Give the settings of peft as plain JSON, without where the weights lay on this machine."""
    told = {name: _json_value(value) for name, value in config.to_dict().items()}
    return {**told, "inference_mode": True, "base_model_name_or_path": None}


def adapted(model: Any, config: Any, *, name: str = _NAME) -> Any:
    """Put a fresh adapter into an encoder; only the adapter learns.

    Raises
    ------
    ConfigError
        If the adapter is of a kind that adds no weights to layers, or finds no layer.
    """
    from peft import get_peft_model

    if getattr(config, "is_prompt_learning", False):
        raise ConfigError(
            f"{type(config).__name__} learns a prompt, which encoders of sentences do not keep. "
            "Use LoRA() or another adapter of layers."
        )
    try:
        with quiet():
            return get_peft_model(model, config, adapter_name=name)
    except ValueError as problem:
        reason = str(problem).split("\n", 1)[0]
        raise ConfigError(f"peft cannot adapt {type(model).__name__}: {reason}") from problem


def taken_out(model: Any, *, name: str = _NAME) -> Adapter:
    """Copy an adapter out of a model of peft."""
    from peft import get_peft_model_state_dict

    with quiet():
        found = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    arrays = {key: part.detach().cpu().numpy().copy() for key, part in found.items()}
    return Adapter(plain(model.peft_config[name]), arrays)


def merged(model: Any) -> Any:
    """Add an adapter to the weights; where its kind does not allow that, leave it beside them."""
    inner = model.base_model.model
    try:
        with quiet():
            return model.merge_and_unload().eval()
    except (NotImplementedError, AttributeError):
        return inner.eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep peft's advice on names and caches from users, who cannot act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _json_value(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "value", value)

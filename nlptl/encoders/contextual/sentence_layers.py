"""Layers between pooling and the final vector, in the format of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import activation

from nlptl.base.errors import EncoderNotFoundError
from nlptl.base.inputs import JsonObject
from nlptl.encoders.contextual.encoder_checks import read_json
from nlptl.encoders.contextual.sentence_settings import Module

_ACTIVATIONS = (
    "ELU",
    "GELU",
    "LeakyReLU",
    "Mish",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Tanh",
)


class UnitLength(nn.Module):
    """Layer that scales each vector to length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Divide vectors of shape (..., dim) by their lengths."""
        return functional.normalize(vectors, dim=-1)


def read_layers(modules: Sequence[Module], name: str) -> nn.Sequential:
    """Load the layers after pooling, in their order.

    Parameters
    ----------
    modules : sequence of Module
        Modules of the types Dense, LayerNorm and Normalize.
    name : str
        Name of the encoder, for error messages.

    Raises
    ------
    EncoderNotFoundError
        If the weights of a layer are missing or do not fit, or its activation is not supported.
    """
    layers = [layer for module in modules for layer in _layers(module, name)]
    return nn.Sequential(*layers).eval()


def _layers(module: Module, name: str) -> list[nn.Module]:
    if module.kind == "Normalize":
        return [UnitLength()]
    path = module.folder / "model.safetensors"
    if not path.is_file():
        raise EncoderNotFoundError(
            f"Encoder {name!r} has a {module.kind} layer after pooling whose weights are not in "
            f"{str(path)!r}. Add this file, or choose another encoder."
        )
    weights = {key.rpartition(".")[2]: part for key, part in load_file(path).items()}
    described = read_json(module.folder / "config.json")
    try:
        layer = _sized(module.kind, described)
        layer.load_state_dict(weights, assign=True)
    except (KeyError, RuntimeError, TypeError, ValueError) as problem:
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise EncoderNotFoundError(
            f"Encoder {name!r} has a {module.kind} layer after pooling whose weights do not fit "
            f"its config.json ({type(problem).__name__}: {reason}). Correct the folder, or choose "
            "another encoder."
        ) from problem
    return [layer, *([_activation(described, name)] if module.kind == "Dense" else [])]


def _sized(kind: str, described: dict[str, Any]) -> nn.Module:
    """Build a layer without memory for its weights, which are loaded afterwards."""
    if kind == "LayerNorm":
        return nn.LayerNorm(described["dimension"], device="meta")
    return nn.Linear(
        described["in_features"],
        described["out_features"],
        bias=described.get("bias", True),
        device="meta",
    )


def _activation(described: JsonObject, name: str) -> nn.Module:
    stated = str(described.get("activation_function", "torch.nn.modules.activation.Tanh"))
    package, _, kind = stated.rpartition(".")
    supported = {choice: getattr(activation, choice) for choice in _ACTIVATIONS}
    supported = {"Identity": nn.Identity} | supported
    if kind not in supported or not package.startswith("torch.nn"):
        raise EncoderNotFoundError(
            f"Encoder {name!r} has a Dense layer with the activation {stated!r}. Expected one of "
            f"{', '.join(supported)} of torch.nn. Choose another encoder."
        )
    chosen: nn.Module = supported[kind]()
    return chosen

"""Check that the weights of an encoder fit its settings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual.encoder_checks import one_line, weight_files

if TYPE_CHECKING:
    from torch import nn

_FLOATS = {"F64", "F32", "F16", "BF16"}
MAX_WHOLE_NUMBERS = 1_000_000
"""Limit for integer buffers such as positions. Larger integer tensors are quantized weights."""


def count_weights(path: Path, name: str) -> tuple[int, int]:
    """Count the weight tensors and their numbers in a folder. Only the file headers are read.

    Returns
    -------
    tuple of (int, int)
        Number of weight tensors, and total number of numbers in them.

    Raises
    ------
    EncoderNotFoundError
        If there are no weights, or they are not floating point numbers.
    IntegrityError
        If a file is truncated or not a safetensors file.
    """
    from safetensors import safe_open

    files = weight_files(path)
    if not files:
        raise EncoderNotFoundError(
            f"Encoder {name!r} has no model.safetensors. Only safetensors weights are read. "
            "Convert other weights once with model.save_pretrained(FOLDER)."
        )
    count = total = 0
    for file in files:
        try:
            with safe_open(file, framework="numpy") as weights:
                parts = [weights.get_slice(key) for key in weights.keys()]  # noqa: SIM118
                sizes = [(part.get_dtype(), math.prod(part.get_shape())) for part in parts]
        except Exception as problem:  # the library's error class has no base class
            raise IntegrityError(
                f"{str(file)!r} is not a complete safetensors file ({one_line(problem)}). "
                "Restore a copy."
            ) from problem
        quantized = [n for n in sizes if n[0] not in _FLOATS and n[1] > MAX_WHOLE_NUMBERS]
        if quantized:
            raise EncoderNotFoundError(
                f"Encoder {name!r} must have weights of floating point numbers, got "
                f"{quantized[0][0]}. Convert it once with model.save_pretrained(FOLDER)."
            )
        count += len(sizes)
        total += sum(size for _, size in sizes)
    return count, total


def refuse_untrained(model: nn.Module, used: nn.Module, report: dict[str, Any], name: str) -> None:
    """Check that no weight of an encoder would be initialised at random.

    Parameters
    ----------
    model : torch.nn.Module
        The model, as transformers loaded it.
    used : torch.nn.Module
        The part that encodes texts. Other parts and the pooler may be untrained.
    report : dict
        Loading report of transformers.
    name : str
        Name of the encoder, for error messages.

    Raises
    ------
    EncoderNotFoundError
        If a weight is missing in the file, or has another shape in it.
    """
    for key, stored, expected in sorted(report["mismatched_keys"]):
        raise EncoderNotFoundError(
            f"Encoder {name!r} does not fit its config.json: {key!r} should have the shape "
            f"{tuple(expected)}, but its weight file has {tuple(stored)}. Restore a copy."
        )
    needed = {id(part) for part in (*used.parameters(), *used.buffers())}
    state = model.state_dict(keep_vars=True)
    missing = sorted(
        key
        for key in report["missing_keys"]
        if "pooler" not in key.split(".") and id(state.get(key)) in needed
    )
    if missing:
        raise EncoderNotFoundError(
            f"Encoder {name!r} does not fit its config.json: {len(missing)} weights are not in its "
            f"weight file, such as {missing[0]!r}. Restore a copy or choose another encoder."
        )

"""Check that the weights of an encoder fit its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual.encoder_checks import MAX_LAYERS, one_line, weight_files

MAX_UNTRAINED = 50_000_000
"""Numbers that a model may have in addition to its weight file, such as a pooler or a head."""
MAX_TIMES_THE_WEIGHTS = 6
"""A decoder may be missing, and each weight is registered both before and after reading."""
MAX_PARTS = 500
MAX_PARTS_PER_WEIGHT = 10
"""Limits of the number of modules. The modules of a layer have about one weight each."""

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


@contextmanager
def at_most(numbers: int, subject: str, *, parts: int = MAX_LAYERS**2) -> Iterator[None]:
    """Stop building a model that has more numbers than its weight files can contain.

    Parameters
    ----------
    numbers : int
        Maximum number of numbers in all parameters and buffers built in the block, in this thread.
    subject : str
        Name of the model, for error messages.
    parts : int
        Maximum number of modules built in the block, in this thread.

    Raises
    ------
    IntegrityError
        As soon as a limit is exceeded, before memory is allocated.
    """
    from torch.nn.modules import module as registry

    thread, left = get_ident(), {"numbers": numbers, "parts": parts}

    def count(unit: str, size: int) -> None:
        left[unit] -= size
        if left[unit] < 0:
            raise IntegrityError(
                f"{subject} asks for more than {numbers:,} numbers or {parts:,} parts, but its "
                "weight file cannot contain them. Restore a copy."
            )

    def count_tensor(_module: Any, _name: str, tensor: Any) -> None:
        if tensor is not None and get_ident() == thread:
            count("numbers", tensor.numel())

    def count_module(_module: Any, _name: str, _part: Any) -> None:
        if get_ident() == thread:
            count("parts", 1)

    hooks = [
        registry.register_module_parameter_registration_hook(count_tensor),
        registry.register_module_buffer_registration_hook(count_tensor),
        registry.register_module_module_registration_hook(count_module),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def refuse_untrained(model: Any, used: Any, report: dict[str, Any], name: str) -> None:
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

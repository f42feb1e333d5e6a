"""Checking that the weights of an encoder are what its settings ask for."""

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
"""Numbers that a model may have beyond its weight file: a pooler, a head."""
MAX_TIMES_THE_WEIGHTS = 6
"""A decoder may be missing, and each weight is registered before and after it is read."""
MAX_PARTS = 500
MAX_PARTS_PER_WEIGHT = 10
"""Modules that a model may have: the parts of a layer have about one weight each."""

_FLOATS = {"F64", "F32", "F16", "BF16"}
MAX_WHOLE_NUMBERS = 1_000_000
"""Of buffers such as positions; weights in such types are quantized."""


def count_weights(path: Path, name: str) -> tuple[int, int]:
    """Count weights and their numbers in the files of a folder; only headers are read.

    Returns
    -------
    tuple of (int, int)
        The number of weights, and of the numbers in all of them.

    Raises
    ------
    EncoderNotFoundError
        If there are none, or they are not floating point numbers.
    IntegrityError
        If a file is cut off, or is no safetensors file.
    """
    from safetensors import safe_open

    files = weight_files(path)
    if not files:
        raise EncoderNotFoundError(
            f"Encoder {name!r} has no model.safetensors. Only safetensors weights are read; "
            "convert others once with model.save_pretrained(FOLDER)."
        )
    count = total = 0
    for file in files:
        try:
            with safe_open(file, framework="numpy") as weights:
                parts = [weights.get_slice(key) for key in weights.keys()]  # noqa: SIM118
                sizes = [(part.get_dtype(), math.prod(part.get_shape())) for part in parts]
        except Exception as problem:  # the library has an error of its own, without a parent
            raise IntegrityError(
                f"{str(file)!r} is not a whole safetensors file ({one_line(problem)}). "
                "Restore a copy."
            ) from problem
        strange = [n for n in sizes if n[0] not in _FLOATS and n[1] > MAX_WHOLE_NUMBERS]
        if strange:
            raise EncoderNotFoundError(
                f"Encoder {name!r} must have weights of floating point numbers, got "
                f"{strange[0][0]}. Convert it once with model.save_pretrained(FOLDER)."
            )
        count += len(sizes)
        total += sum(size for _, size in sizes)
    return count, total


@contextmanager
def at_most(numbers: int, subject: str, *, parts: int = MAX_LAYERS**2) -> Iterator[None]:
    """Stop building a model with more numbers than its weight files can fill.

    Parameters
    ----------
    numbers : int
        Of all parameters and buffers that are made in the block, in this thread.
    subject : str
        What is built, for messages.
    parts : int
        Of all modules that are made in the block.

    Raises
    ------
    IntegrityError
        As soon as there are more, before memory is used for them.
    """
    from torch.nn.modules import module as registry

    thread, left = get_ident(), {"numbers": numbers, "parts": parts}

    def count(unit: str, size: int) -> None:
        left[unit] -= size
        if left[unit] < 0:
            raise IntegrityError(
                f"{subject} asks for more than {numbers:,} numbers, or {parts:,} parts, which its "
                "weight file does not hold. Restore a copy."
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
    """Refuse an encoder of which some weights would be drawn at random.

    Parameters
    ----------
    model : torch.nn.Module
        As transformers loaded it.
    used : torch.nn.Module
        The part that encodes texts; other parts may be untrained, and so may the pooler.
    report : dict
        What transformers reports of the loading.
    name : str
        Of the encoder.

    Raises
    ------
    EncoderNotFoundError
        If a weight is missing in the file, or has another shape there.
    """
    for key, stored, wanted in sorted(report["mismatched_keys"]):
        raise EncoderNotFoundError(
            f"Encoder {name!r} does not fit its config.json: {key!r} should have the shape "
            f"{tuple(wanted)}, its weight file has {tuple(stored)}. Restore a copy."
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
            f"weight file, such as {missing[0]!r}. Restore a copy, or choose another encoder."
        )

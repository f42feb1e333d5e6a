"""Read models of transformers from safetensors, with no more memory than the files justify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from nlptl.base.chance import torch_seed
from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual.encoder_checks import MAX_LAYERS, foreign_errors
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.weight_checks import count_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_UNTRAINED = 50_000_000
"""Numbers that a model may have in addition to its weight file, such as a pooler or a head."""
MAX_TIMES_THE_WEIGHTS = 6
"""A decoder may be missing, and each weight is registered both before and after reading."""
MAX_PARTS = 500
MAX_PARTS_PER_WEIGHT = 10
"""Limits of the number of modules. The modules of a layer have about one weight each."""


def read_weights(kind: Any, folder: EncoderFolder, device: str, **options: Any) -> tuple[Any, Any]:
    """Load a transformers model from safetensors, without network access or code from the folder.

    Parameters
    ----------
    kind : type
        A class of transformers such as ``AutoModel``.
    folder : EncoderFolder
        Folder of the encoder.
    device : str
        ``"meta"`` reads only the shapes of the weights.
    **options
        Options of ``from_pretrained``.

    Returns
    -------
    tuple of (torch.nn.Module, dict)
        The model, and the loading report of transformers.

    Raises
    ------
    EncoderNotFoundError
        If the folder has no safetensors weights, or transformers cannot load them.
    IntegrityError
        If the weights are truncated, or far fewer than the settings require.
    """
    subject = f"Encoder {folder.name!r}"
    # The error message of transformers would import every model family.
    if type(folder.config) not in kind._model_mapping:
        family = folder.config.model_type
        raise EncoderNotFoundError(
            f"{subject} cannot be loaded: transformers has no {kind.__name__} for its model family "
            f"{family!r}. Choose another encoder."
        )
    weights, numbers = count_weights(folder.path, folder.name)
    limit = MAX_TIMES_THE_WEIGHTS * numbers + MAX_UNTRAINED
    parts = MAX_PARTS_PER_WEIGHT * weights + MAX_PARTS
    errors = foreign_errors(f"Cannot load encoder {folder.name!r}")
    with torch_seed(0), quiet_transformers(), errors, at_most(limit, subject, parts=parts):
        model, report = kind.from_pretrained(
            str(folder.path),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # refuse_untrained reports them by name
            output_loading_info=True,
            **({"device_map": "meta"} if device == "meta" else {}),
            **options,
        )
    return model, report


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

    def count_tensor(_module: nn.Module, _name: str, tensor: Tensor | None) -> None:
        if tensor is not None and get_ident() == thread:
            count("numbers", tensor.numel())

    def count_module(_module: nn.Module, _name: str, _part: nn.Module | None) -> None:
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


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress load reports of transformers inside the block, and restore its settings after it."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

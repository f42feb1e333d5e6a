"""Choose bfloat16 only if the device supports it and the vectors agree with float32."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import StorageError
from nlptl.base.machine import processor_name
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.storage.machine_choices import read_choices, record_choice
from nlptl.storage.places import cache_root

LEAST_MEAN_COSINE = 0.9999
LEAST_COSINE = 0.999

PROBE = (
    "The parcel arrived two days late, and the box was open.",
    "What is the capital of Portugal?",
    "I loved every minute of it!",
    "how do i reset my pin",
    "Shares of the two largest banks fell by 3.5 percent on Tuesday after the central bank left "
    "its rate unchanged, while smaller lenders gained for a third day.",
    "Ranked among the ten best-selling albums of the year, it divided critics: some praised its "
    "restraint, others found nothing in it that the band had not done better before.",
    "Error 0x80070057: parameter is incorrect (line 12, column 4).",
    "Yes.",
)


def choose_dtype(folder: EncoderFolder, device: str) -> str:
    """Return the number format for the weights of an encoder: ``"bfloat16"`` or ``"float32"``.

    Eight sentences are encoded in both formats. Bfloat16 is chosen if the mean cosine of the
    vectors is at least 0.9999 and no cosine is below 0.999. The result is stored in the cache
    folder, by encoder, processor and torch version.
    """
    stored = stored_dtype(folder, device)
    if stored is not None:
        return stored
    agreement = _agreement(folder, device)
    agrees = agreement.mean() >= LEAST_MEAN_COSINE and agreement.min() >= LEAST_COSINE
    verdict = "bfloat16" if agrees else "float32"
    try:
        record_choice(_verdicts(folder), _here(device), verdict)
    except StorageError:
        return verdict  # without a writable cache, the check is repeated next time
    return verdict


def stored_dtype(folder: EncoderFolder, device: str) -> str | None:
    """Return the result of ``choose_dtype`` if it needs no encoding, or None."""
    if not has_bfloat16(device):
        return "float32"
    try:
        verdict = read_choices(_verdicts(folder)).get(_here(device))
    except StorageError:  # there is no cache folder
        return None
    return str(verdict) if verdict in ("bfloat16", "float32") else None


def _verdicts(folder: EncoderFolder) -> Path:
    return cache_root() / "precision" / f"{folder.fingerprint}.json"


@lru_cache
def has_bfloat16(device: str) -> bool:
    """Return True if the device multiplies bfloat16 matrices in hardware."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    get_capabilities: Any = getattr(torch.cpu, "get_capabilities", None)
    capabilities: dict[str, bool] = get_capabilities() if get_capabilities is not None else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _agreement(folder: EncoderFolder, device: str) -> FloatArray:
    from nlptl.encoders.contextual.loaded import read_encoder

    both = [_probe(read_encoder(folder, dtype, device)) for dtype in ("float32", "bfloat16")]
    return cosines(*both)


def cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the cosine of each pair of vectors along the last axis."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    similarities: FloatArray = (first * second).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return similarities


def _probe(loaded: Any) -> FloatArray:
    from nlptl.encoders.contextual.forward import hidden_means
    from nlptl.encoders.contextual.windows import cut_windows

    folder = loaded.folder
    ids = cut_windows(folder.tokenizer, PROBE, window=folder.tokenization.window, overlap=None).ids
    return hidden_means(loaded, ids, (-1,))[:, 0]


def _here(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name() if device.startswith("cuda") else processor_name()
    return f"{device} {name} torch {torch.__version__}"

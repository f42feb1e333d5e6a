"""The processor of this machine."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

_DESCRIPTION = Path("/proc/cpuinfo")


@lru_cache
def processor_name() -> str:
    """Return the model name of the processor, or its architecture if the system names no model."""
    try:
        lines = _DESCRIPTION.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # only Linux has this file
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()

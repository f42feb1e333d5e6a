"""The clock of budgets and costs: one function that a test can replace."""

from __future__ import annotations

import time


def seconds() -> float:
    """Return the seconds since some fixed moment."""
    return time.perf_counter()

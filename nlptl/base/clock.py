"""The clock for time budgets and costs: one function that tests can replace."""

from __future__ import annotations

import time


def seconds() -> float:
    """Return the seconds since an arbitrary fixed moment."""
    return time.perf_counter()

"""Cost of a training run: time, machine, and energy if codecarbon is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from nlptl.base import clock

Fit = TypeVar("Fit", bound=Callable[..., Any])

_MINUTE = 60.0
_MIN_MINUTES = 10
"""A shorter time is shown in seconds."""


@dataclass(frozen=True)
class Cost:
    """Time, machine and energy of one training run.

    Attributes
    ----------
    seconds : float
        Wall-clock time. For a training that was interrupted, the time since it last resumed.
    machine : str
        Hardware that the training ran on.
    kwh : float or None
        Energy as estimated by codecarbon; None if codecarbon is not installed or fails.
    """

    seconds: float
    machine: str
    kwh: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the cost as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        minutes = self.seconds / _MINUTE
        is_long = minutes >= _MIN_MINUTES
        time_taken = counted(minutes, "minute") if is_long else counted(self.seconds, "second")
        energy = "" if self.kwh is None else f", {self.kwh:.4f} kWh as estimated by codecarbon"
        return f"{time_taken} on {self.machine}{energy}"


def counted(number: float, unit: str) -> str:
    """Return a rounded number with its unit, in the plural unless the number is 1.

    Examples
    --------
    >>> counted(1, "thread"), counted(2.4, "second")
    ('1 thread', '2 seconds')
    """
    return f"{number:.0f} {unit}{'' if round(number) == 1 else 's'}"


def measured(fit: Fit) -> Fit:
    """Decorate a method that fits and returns a model: store its cost there as ``cost_``."""

    @wraps(fit)
    def timed(*args: Any, **options: Any) -> Any:
        tracker, began = _tracker(), clock.seconds()
        try:
            model = fit(*args, **options)
        finally:
            kwh = _energy(tracker)
        seconds = round(clock.seconds() - began, 1)
        model.cost_ = Cost(seconds, _machine(getattr(model, "device", None)), kwh)
        return model

    return cast(Fit, timed)


def _machine(device: str | None) -> str:
    """Return the name of the hardware of this process, and the number of processes."""
    torch = sys.modules.get("torch")
    n_processes = int(os.environ.get("WORLD_SIZE", "1"))
    times = f"{n_processes} x " if n_processes > 1 else ""
    if torch is None:  # a fit that does not import torch cannot use a GPU
        return f"{times}a CPU"
    # If this process has allocated no memory on the GPU, it did not compute there.
    if str(device or "cuda").startswith("cuda") and torch.cuda.is_available():
        if torch.cuda.max_memory_allocated():
            return f"{times}{torch.cuda.get_device_name()}"
    elif device == "mps":
        return "an Apple GPU"
    return f"{times}a CPU, {counted(torch.get_num_threads(), 'thread')}"


def _tracker() -> Any:
    """Start to measure energy; return None if codecarbon is missing or fails on this machine."""
    with suppress(Exception):
        from codecarbon import OfflineEmissionsTracker

        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # affects the carbon estimate, not the energy
            save_to_file=False,
            log_level="critical",
            allow_multiple_runs=True,
        )
        tracker.start()
        return tracker
    return None


def _energy(tracker: Any) -> float | None:
    if tracker is None:
        return None
    with suppress(Exception):
        tracker.stop()
        return float(tracker.final_emissions_data.energy_consumed)
    return None

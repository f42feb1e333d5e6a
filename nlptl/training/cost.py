"""What a training cost: time, on what, and energy where codecarbon is there to measure it."""

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


@dataclass(frozen=True)
class Cost:
    """What a training cost.

    Attributes
    ----------
    seconds : float
        By the clock; of a training that was interrupted, since it was last taken up.
    machine : str
        What it ran on.
    kwh : float or None
        Energy, as codecarbon estimated it; None where that is not installed.
    """

    seconds: float
    machine: str
    kwh: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe it with plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        minutes = self.seconds / _MINUTE
        time_taken = f"{minutes:.0f} minutes" if minutes >= 10 else f"{self.seconds:.0f} seconds"
        energy = "" if self.kwh is None else f", {self.kwh:.4f} kWh by the estimate of codecarbon"
        return f"{time_taken} on {self.machine}{energy}"


def measured(fit: Fit) -> Fit:
    """Let a method that fits a model and gives it leave its cost there, as ``cost_``."""

    @wraps(fit)
    def timed(*given: Any, **named: Any) -> Any:
        tracker, began = _tracker(), clock.seconds()
        try:
            model = fit(*given, **named)
        finally:
            kwh = _energy(tracker)
        seconds = round(clock.seconds() - began, 1)
        model.cost_ = Cost(seconds, _machine(getattr(model, "device", None)), kwh)
        return model

    return cast(Fit, timed)


def _machine(device: str | None) -> str:
    """Name what this process computed on, and how many did so together."""
    torch = sys.modules.get("torch")
    several = int(os.environ.get("WORLD_SIZE", "1"))
    times = f"{several} x " if several > 1 else ""
    if torch is None:  # what did not need torch did not run on its devices
        return f"{times}a CPU"
    # A graphics card that holds nothing of this process was not computed on.
    if str(device or "cuda").startswith("cuda") and torch.cuda.is_available():
        if torch.cuda.max_memory_allocated():
            return f"{times}{torch.cuda.get_device_name()}"
    elif device == "mps":
        return "an Apple GPU"
    return f"{times}a CPU, {torch.get_num_threads()} threads"


def _tracker() -> Any:
    """Start to measure energy, where codecarbon is installed and works on this machine."""
    with suppress(Exception):
        from codecarbon import OfflineEmissionsTracker

        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # which matters to its carbon, not to the energy
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

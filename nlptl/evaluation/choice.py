"""What ``Auto`` tried and chose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from nlptl.base.described import entry, make
from nlptl.evaluation.judge import Verdict


@dataclass(frozen=True, eq=False)
class Trial:
    """One thing that was weighed.

    Attributes
    ----------
    name : str
    verdict : Verdict or None
        None where it was not tried.
    used : bool
    seconds : float
        What the trial took.
    note : str
        Why it was not tried, or used untried.
    """

    name: str
    verdict: Verdict | None
    used: bool
    seconds: float
    note: str = ""


@dataclass(eq=False)
class Choice:
    """What was chosen, and what was tried on the way.

    Attributes
    ----------
    transfer : transfer or list of transfers
    name : str
    trials : list of Trial
    """

    transfer: Any
    name: str = "frozen"
    trials: list[Trial] = field(default_factory=list)

    @property
    def verdicts(self) -> dict[str, str]:
        """What the gate said of each thing: helps, hurts, no clear difference, or not tried."""
        return {t.name: t.verdict.outcome if t.verdict else "not tried" for t in self.trials}

    def to_json(self) -> dict[str, Any]:
        """Describe what was tried with plain JSON values; the transfer is the model's."""
        told = [
            {
                "name": trial.name,
                "verdict": trial.verdict and trial.verdict.to_json(),
                "used": trial.used,
                "seconds": trial.seconds,
                "note": trial.note,
            }
            for trial in self.trials
        ]
        return {"name": self.name, "trials": told}

    @classmethod
    def from_json(cls, described: dict[str, Any], transfer: Any) -> Self:
        """Read what ``to_json`` gave."""
        trials = [
            make(Trial, {**told, "verdict": told["verdict"] and Verdict.from_json(told["verdict"])})
            for told in described["trials"]
        ]
        return cls(transfer, entry(described, "name", str), trials)

    def __str__(self) -> str:
        lines = [
            f"{trial.name}: {trial.verdict or 'not tried'}"
            f"{f' ({trial.note})' if trial.note else ''}"
            for trial in self.trials
        ]
        return "\n".join([*lines, f"chosen: {self.name}"])

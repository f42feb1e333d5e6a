"""Records of the methods that ``Auto`` tried and of its choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from nlptl.base.described import entry, make
from nlptl.base.inputs import JsonObject
from nlptl.base.transfer import TransferLike
from nlptl.evaluation.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Trial:
    """Result of one method that ``Auto`` considered.

    Attributes
    ----------
    name : str
    verdict : Verdict or None
        None if the method was not tried.
    used : bool
        True if the method is part of the choice.
    seconds : float
        Duration of the trial.
    note : str
        Reason if the method was not tried, or was used without a trial.
    """

    name: str
    verdict: Verdict | None
    used: bool
    seconds: float
    note: str = ""


@dataclass(eq=False)
class Choice:
    """Chosen transfer with the results of all trials.

    Attributes
    ----------
    transfer : transfer or list of transfers
        Chosen transfer.
    name : str
        Name of the choice.
    trials : list of Trial
    """

    transfer: TransferLike
    name: str = "frozen"
    trials: list[Trial] = field(default_factory=list)

    @property
    def verdicts(self) -> dict[str, str]:
        """Outcome per method: helps, hurts, no clear difference, or not tried."""
        return {t.name: t.verdict.outcome if t.verdict else "not tried" for t in self.trials}

    def to_json(self) -> dict[str, Any]:
        """Return the trials as JSON values, without the transfer, which the model stores."""
        trials = [
            {
                "name": trial.name,
                "verdict": trial.verdict and trial.verdict.to_json(),
                "used": trial.used,
                "seconds": trial.seconds,
                "note": trial.note,
            }
            for trial in self.trials
        ]
        return {"name": self.name, "trials": trials}

    @classmethod
    def from_json(cls, described: JsonObject, transfer: TransferLike) -> Self:
        """Build a choice from the output of ``to_json`` and the chosen transfer."""
        trials = [
            make(Trial, {**item, "verdict": item["verdict"] and Verdict.from_json(item["verdict"])})
            for item in entry(described, "trials", list[JsonObject])
        ]
        return cls(transfer, entry(described, "name", str), trials)

    def __str__(self) -> str:
        lines = [
            f"{trial.name}: {trial.verdict or 'not tried'}"
            f"{f' ({trial.note})' if trial.note else ''}"
            for trial in self.trials
        ]
        return "\n".join([*lines, f"chosen: {self.name}"])

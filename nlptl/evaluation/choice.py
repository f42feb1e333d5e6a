"""Records of the methods that ``Auto`` tried and of its choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from nlptl.base.described import entry, make
from nlptl.base.inputs import JsonObject
from nlptl.base.transfer import TransferLike
from nlptl.evaluation.verdict import Verdict

BASELINE = "frozen"
"""Name of the choice that the search starts from."""


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
    budget_seconds : float or None
        Time budget of the search and the last fit. None for a choice of an earlier release.
    seconds : float
        Duration of the search, without the last fit.
    note : str
        A remark on the rows or labels. Empty for most.
    """

    transfer: TransferLike
    name: str = BASELINE
    trials: list[Trial] = field(default_factory=list)
    budget_seconds: float | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def verdicts(self) -> dict[str, str]:
        """Outcome per method: helps, hurts, no clear difference, or not tried."""
        return {t.name: t.verdict.outcome if t.verdict else "not tried" for t in self.trials}

    @property
    def time_used(self) -> str:
        """Seconds that the search took, and its budget; empty if they are unknown."""
        if self.budget_seconds is None:
            return ""
        return f"{self.seconds:.1f} of {self.budget_seconds:g} seconds used"

    def seconds_of(self, trial: Trial) -> tuple[float, float]:
        """Return the seconds of a trial, and those in it that the frozen encoder took.

        The frozen encoder takes part in the trials that compare a method with it.
        """
        verdict = trial.verdict
        if verdict is None or verdict.against != BASELINE or BASELINE not in verdict.costs:
            return trial.seconds, 0.0
        cost = verdict.costs[BASELINE]
        baseline = len(verdict.scores) * (cost.fit_seconds + cost.score_seconds)
        baseline = min(baseline, trial.seconds)
        return trial.seconds - baseline, baseline

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
        return {
            "name": self.name,
            "trials": trials,
            "budget_seconds": self.budget_seconds,
            "seconds": self.seconds,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, described: JsonObject, transfer: TransferLike) -> Self:
        """Build a choice from the output of ``to_json`` and the chosen transfer."""
        trials = [
            make(Trial, {**item, "verdict": item["verdict"] and Verdict.from_json(item["verdict"])})
            for item in entry(described, "trials", list[JsonObject])
        ]
        described = {"budget_seconds": None, "seconds": 0.0, "note": "", **described}
        return cls(
            transfer,
            entry(described, "name", str),
            trials,
            entry(described, "budget_seconds", float | None),
            entry(described, "seconds", float),
            entry(described, "note", str),
        )

    def __str__(self) -> str:
        lines = [
            f"{trial.name}: {trial.verdict or 'not tried'}"
            f"{f' ({trial.note})' if trial.note else ''}"
            for trial in self.trials
        ]
        lines += [f"note: {self.note}"] if self.note else []
        lines += [f"time: {self.time_used}"] if self.time_used else []
        return "\n".join([*lines, f"chosen: {self.name}"])

"""How each of several tasks fares as training goes on, and which of them have had enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nlptl.training.checkpoints import Keeper, Saved

_POSITION_ENTRY = "tasks"


@dataclass
class Progress:
    """What was found of each task after each epoch.

    Attributes
    ----------
    patience : int
        A task stops after so many epochs without a better score.
    scores : dict of str to list of float
        On held-out rows, the higher the better; tasks without such rows are left out.
    cosines : list of list of list of float
        Of the gradients of the tasks on the weights they share, an array a epoch.
    """

    patience: int
    scores: dict[str, list[float]] = field(default_factory=dict)
    cosines: list[list[list[float]]] = field(default_factory=list)

    def take(self, scores: Mapping[str, float], cosines: list[list[float]]) -> None:
        """Take down what was found after an epoch."""
        for name, score in scores.items():
            self.scores.setdefault(name, []).append(score)
        self.cosines.append(cosines)

    def stopped(self, epoch: int) -> frozenset[str]:
        """Name the tasks that nothing more is learnt from in an epoch, counted from 0.

        Once all would have stopped, those go on whose best epoch is the latest.
        """
        waited = {n: self._waited(found[:epoch]) for n, found in self.scores.items()}
        gone = {name for name, count in waited.items() if count >= self.patience}
        if waited and gone == set(waited):
            gone = {name for name in gone if waited[name] > min(waited.values())}
        return frozenset(gone)

    @staticmethod
    def _waited(scores: list[float]) -> int:
        """Count the epochs since the best; a task that stopped stays so."""
        return len(scores) - 1 - scores.index(max(scores)) if scores else 0


@dataclass(frozen=True)
class ProgressKeeper(Keeper):
    """A keeper of checkpoints that keeps the progress of tasks with them.

    Attributes
    ----------
    progress : Progress
        What is written with each checkpoint, and set back to where the newest stood.
    """

    progress: Progress = field(default_factory=lambda: Progress(1))

    @classmethod
    def of(cls, keeper: Keeper, progress: Progress) -> ProgressKeeper:
        """Give a keeper the progress to keep."""
        own = {name: getattr(keeper, name) for name in ("folder", "every", "settings", "most")}
        return cls(**own, progress=progress)

    def save(self, step: int, position: dict[str, Any], arrays: Mapping[str, Any]) -> bool:
        """Write a checkpoint, as ``Keeper`` does."""
        return super().save(step, {**position, _POSITION_ENTRY: asdict(self.progress)}, arrays)

    def newest(self) -> Saved | None:
        """Give the newest checkpoint, and set the progress back to it."""
        saved = super().newest()
        if saved is None:
            return None
        position = dict(saved.position)
        told = position.pop(_POSITION_ENTRY)
        self.progress.scores, self.progress.cosines = told["scores"], told["cosines"]
        return replace(saved, position=position)

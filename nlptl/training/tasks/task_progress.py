"""Scores of each of several tasks during training, and early stopping of single tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from nlptl.base.arrays import AnyArray
from nlptl.base.inputs import JsonObject
from nlptl.training.checkpoints import Keeper, Saved

_POSITION_ENTRY = "tasks"


@dataclass
class Progress:
    """Scores and gradient similarities of the tasks after each epoch.

    Attributes
    ----------
    patience : int
        A task stops after this number of epochs without a better score.
    scores : dict of str to list of float
        Scores of each task on held-out rows, one per epoch, where higher is better. Tasks without
        held-out rows have no entry.
    cosines : list of list of list of float
        Cosine similarities of the tasks' gradients on their shared weights, one matrix per epoch.
    """

    patience: int
    scores: dict[str, list[float]] = field(default_factory=dict)
    cosines: list[list[list[float]]] = field(default_factory=list)

    def take(self, scores: Mapping[str, float], cosines: list[list[float]]) -> None:
        """Record the scores and cosine similarities after an epoch."""
        for name, score in scores.items():
            self.scores.setdefault(name, []).append(score)
        self.cosines.append(cosines)

    def stopped(self, epoch: int) -> frozenset[str]:
        """Return the names of the tasks that are not trained in an epoch, counted from 0.

        If all tasks with scores would stop, those with the latest best epoch continue.
        """
        waited = {name: self._waited(scores[:epoch]) for name, scores in self.scores.items()}
        stopped = {name for name, count in waited.items() if count >= self.patience}
        if waited and stopped == set(waited):
            stopped = {name for name in stopped if waited[name] > min(waited.values())}
        return frozenset(stopped)

    @staticmethod
    def _waited(scores: list[float]) -> int:
        """Count the epochs since the best score."""
        return len(scores) - 1 - scores.index(max(scores)) if scores else 0


@dataclass(frozen=True)
class ProgressKeeper(Keeper):
    """Keeper whose checkpoints include the progress of the tasks.

    Attributes
    ----------
    progress : Progress
        Written with each checkpoint, and restored from the newest one.
    """

    progress: Progress = field(default_factory=lambda: Progress(1))

    @classmethod
    def of(cls, keeper: Keeper, progress: Progress) -> ProgressKeeper:
        """Build a ProgressKeeper with the settings of ``keeper``."""
        options = {name: getattr(keeper, name) for name in ("folder", "every", "settings", "most")}
        return cls(**options, progress=progress)

    def save(self, step: int, position: JsonObject, arrays: Mapping[str, AnyArray]) -> bool:
        """Write a checkpoint as ``Keeper`` does, with the progress of the tasks."""
        return super().save(step, {**position, _POSITION_ENTRY: asdict(self.progress)}, arrays)

    def newest(self) -> Saved | None:
        """Return the newest checkpoint, and restore the progress from it."""
        saved = super().newest()
        if saved is None:
            return None
        position = dict(saved.position)
        recorded = position.pop(_POSITION_ENTRY)
        self.progress.scores, self.progress.cosines = recorded["scores"], recorded["cosines"]
        return replace(saved, position=position)

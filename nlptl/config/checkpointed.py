"""Choose the checkpoint folder of a training run, next to its output."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from nlptl.base.paths import user_path
from nlptl.config.part import Part
from nlptl.training.config import TrainingConfig
from nlptl.training.processes import is_main


class Checkpointed:
    """Base class for settings of a training run that saves an output folder.

    Checkpoints go to a folder next to the output. They are removed once the output is saved.
    """

    output: str | None
    training: Part

    @property
    def tunes(self) -> bool:
        """True if this training run writes checkpoints."""
        return True

    @property
    def checkpoints(self) -> Path | None:
        """The folder ``OUTPUT.checkpoints``, or None.

        None if there is no output, if the run writes no checkpoints, or if the options of the
        training set a folder.
        """
        if not (self.tunes and self.output) or "checkpoints" in self.training.options:
            return None
        return user_path(f"{Path(self.output)}.checkpoints")

    def forget_checkpoints(self) -> None:
        """Remove the checkpoints next to the output.

        Call this once the output is saved. Only the main process removes them.
        """
        if self.checkpoints is not None and is_main():
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def checkpointing(self, training: TrainingConfig | None) -> TrainingConfig | None:
        """Return the training settings with the checkpoint folder filled in."""
        if self.checkpoints is None:
            return training
        return replace(training or TrainingConfig(), checkpoints=str(self.checkpoints))

"""Settings of a training whose checkpoints lie beside its output."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nlptl.base.paths import user_path
from nlptl.training.config import TrainingConfig
from nlptl.training.processes import is_main

if TYPE_CHECKING:
    from nlptl.config.run import Part


class Checkpointed:
    """Settings with an output and a training, whose checkpoints go when the output is there."""

    output: str | None
    training: Part

    @property
    def tunes(self) -> bool:
        """Whether what is trained writes checkpoints at all."""
        return True

    @property
    def checkpoints(self) -> Path | None:
        """The folder of checkpoints beside the output; None where the user names one."""
        if not (self.tunes and self.output) or "checkpoints" in self.training.options:
            return None
        return user_path(f"{Path(self.output)}.checkpoints")

    def forget_checkpoints(self) -> None:
        """Remove the checkpoints beside the output, in the main process, once it is there."""
        if self.checkpoints is not None and is_main():
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def checkpointing(self, training: TrainingConfig | None) -> TrainingConfig | None:
        """Give the settings of a training with the folder of checkpoints."""
        if self.checkpoints is None:
            return training
        return replace(training or TrainingConfig(), checkpoints=str(self.checkpoints))

"""Save a trained model at the end of a command, also if its evaluation fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console

from nlptl.base.errors import NlptlError
from nlptl.training.processes import from_main, world


class TrainedModel(Protocol):
    """A model that can be saved."""

    def save(self, folder: str | Path, *, notes: Mapping[str, object] | None = None) -> Path:
        """Write the model into a folder."""
        ...


class OutputSettings(Protocol):
    """Settings of a command that trains a model."""

    @property
    def output(self) -> str | None:
        """Folder for the model."""
        ...

    def forget_checkpoints(self) -> None:
        """Remove the checkpoints of the training."""
        ...


@contextmanager
def saved_at_the_end(
    model: TrainedModel, config: OutputSettings, settings: Mapping[str, object], out: Console
) -> Iterator[None]:
    """Save the model after the block, also if the block raises an error of nlptl.

    The block evaluates the model and prints the result. Wrong test rows must not cost the training.

    Parameters
    ----------
    model : model
        The trained model.
    config : RunConfig or TasksConfig
        Contains the output folder, if there is one.
    settings : mapping
        Settings of the run, which are saved with the model.
    out : Console
        Where the result is printed.
    """
    try:
        yield
    except NlptlError as problem:
        if world().size == 1:  # of several processes, the others may not have failed
            out.print(f"The evaluation failed: {problem}", soft_wrap=True)
            _save(model, config, settings, out)
        raise
    _save(model, config, settings, out)


def _save(
    model: TrainedModel, config: OutputSettings, settings: Mapping[str, object], out: Console
) -> None:
    folder = config.output
    if folder is None:
        out.print("Not saved. Pass --output FOLDER to save the model.")
        return
    from_main(lambda: str(model.save(folder, notes={"run": settings})))
    config.forget_checkpoints()
    out.print(f"Saved and read back: {folder}", soft_wrap=True)

"""Checks of the output path of a command before the command starts its work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path


def check_output_file(
    output: str | Path, *, inputs: Iterable[object] = (), overwrite: bool
) -> None:
    """Check that a file can be written without replacing another file.

    Parameters
    ----------
    output : str or Path
        Path of the file to write.
    inputs : iterable of str, Path or other values
        Files and folders that are read. Other values are ignored.
    overwrite : bool
        Allow an existing file to be replaced. An input is never replaced.

    Raises
    ------
    StorageError
        If the file exists, is a folder, or is an input under any name or link.
    """
    path = user_path(output)
    _refuse_inputs(path, inputs)
    if path.is_dir():
        raise StorageError(f"{str(output)!r} is a folder. Choose the name of a file.")
    if path.exists() and not overwrite:
        raise StorageError(
            f"{str(output)!r} exists already. Choose another output, or pass --overwrite to "
            "replace it."
        )


def check_output_folder(
    output: str | Path, *, inputs: Iterable[object] = (), overwrite: bool
) -> None:
    """Check that a folder can be written without replacing other files.

    Parameters
    ----------
    output : str or Path
        Path of the folder to write.
    inputs : iterable of str, Path or other values
        As for ``check_output_file``.
    overwrite : bool
        Allow a folder that is not empty.

    Raises
    ------
    StorageError
        If the folder is not empty, is a file, or contains an input.
    """
    folder = user_path(output)
    _refuse_inputs(folder, inputs)
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{str(output)!r} is a file. Choose the name of a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise StorageError(
            f"{str(output)!r} is not empty. Choose another output, or pass --overwrite to "
            "replace it."
        )


def check_replaced(target: Path, draft: Path) -> None:
    """Check that a folder holds nothing that a new folder in its place would not replace.

    Parameters
    ----------
    target : Path
        The folder that is replaced; it may be missing.
    draft : Path
        The new folder.

    Raises
    ------
    StorageError
        If the target is a file, or holds other files or folders, which would be lost.
    """
    if target.exists() and not target.is_dir():
        raise StorageError(f"{str(target)!r} is a file. Choose the name of a folder.")
    if not target.is_dir():
        return
    names = {path.name for path in draft.iterdir()}
    others = sorted(path.name for path in target.iterdir() if path.name not in names)
    if others:
        raise StorageError(
            f"{str(target)!r} also holds {others[0]!r}, which would be lost. Choose a new folder, "
            "or move it."
        )


def _refuse_inputs(target: Path, inputs: Iterable[object]) -> None:
    if not target.exists():
        return
    for source in inputs:
        if isinstance(source, str | Path) and source and _holds(target, user_path(source)):
            raise StorageError(
                f"The output {str(target)!r} would replace the input {str(source)!r}. "
                "Choose another output."
            )


def _holds(target: Path, source: Path) -> bool:
    """Return True if a source is the target or lies inside it."""
    try:
        paths = (source, *source.resolve(strict=True).parents)
    except (OSError, ValueError):  # no file: the name of an encoder, or any other value
        return False
    return any(path.samefile(target) for path in paths)

"""One look for every progress bar."""

from __future__ import annotations

from typing import Any


def progress_bar(
    *, total: int | None, unit: str, description: str, show: bool | None = None
) -> Any:
    """Open a bar that appears only on a terminal and only when the work takes over a second.

    Parameters
    ----------
    total : int or None
        How many units the work has; None where nobody knows yet.
    unit, description : str
        What is counted, and what is being done.
    show : bool or None
        True or False decide; None shows it where standard error is a terminal.

    Returns
    -------
    tqdm.auto.tqdm
        Use it as a context manager and call ``update(n)``.
    """
    from tqdm.auto import tqdm

    hidden = None if show is None else not show
    return tqdm(total=total, unit=unit, desc=description, disable=hidden, delay=1.0, leave=False)

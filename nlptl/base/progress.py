"""Progress bars with the same settings everywhere."""

from __future__ import annotations

from typing import Any


def progress_bar(
    *, total: int | None, unit: str, description: str, show: bool | None = None
) -> Any:
    """Open a progress bar that appears only when the work takes more than one second.

    Parameters
    ----------
    total : int or None
        Number of units of work; None if it is not known yet.
    unit, description : str
        Name of the counted units, and name of the work.
    show : bool or None
        True shows the bar, False hides it. None shows it if standard error is a terminal.

    Returns
    -------
    tqdm.auto.tqdm
        The bar. Use it as a context manager and call ``update(n)``.
    """
    from tqdm.auto import tqdm

    hidden = None if show is None else not show
    return tqdm(total=total, unit=unit, desc=description, disable=hidden, delay=1.0, leave=False)

"""Progress bars with the same settings everywhere, and log messages about the stages of a fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_SHARED: ContextVar[Any] = ContextVar("the bar of a longer piece of work", default=None)
_IS_TRIAL: ContextVar[bool] = ContextVar("the fit is one of many trials", default=False)


def progress_bar(
    *, total: int | None, unit: str, description: str, show: bool | None = None
) -> Any:
    """Open a progress bar that appears only when the work takes more than one second.

    Inside ``shared_progress``, the bar is not shown. It advances the shared bar.

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

    if _SHARED.get() is not None:
        return _Part(_SHARED.get())
    hidden = None if show is None else not show
    return tqdm(total=total, unit=unit, desc=description, disable=hidden, delay=1.0, leave=False)


@contextmanager
def shared_progress(
    *, total: int, unit: str, description: str, show: bool | None = None
) -> Iterator[Any]:
    """Show one bar for work that is done in parts, each of which opens a bar of its own.

    The parameters are those of ``progress_bar``.

    Yields
    ------
    tqdm.auto.tqdm
        The bar. Set ``n`` after each part, because a part may need fewer steps than it has units.
    """
    with progress_bar(total=total, unit=unit, description=description, show=show) as bar:
        token = _SHARED.set(bar)
        try:
            yield bar
        finally:
            _SHARED.reset(token)


@contextmanager
def trial_fits() -> Iterator[None]:
    """Mark the fits inside the block as trials, such as those of a cross-validation."""
    token = _IS_TRIAL.set(True)
    try:
        yield
    finally:
        _IS_TRIAL.reset(token)


def is_trial() -> bool:
    """Return True inside ``trial_fits``."""
    return _IS_TRIAL.get()


def log_stage(logger: logging.Logger, message: str, *values: object) -> None:
    """Log a stage of a fit at the level INFO, or at the level DEBUG in a trial."""
    logger.log(logging.DEBUG if is_trial() else logging.INFO, message, *values)


class _Part:
    """Bar of a part, which advances a shared bar."""

    def __init__(self, shared: Any) -> None:
        self.shared = shared

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: int = 1) -> None:
        """Advance the shared bar."""
        self.shared.update(n)

    def close(self) -> None:
        """Leave the shared bar open."""

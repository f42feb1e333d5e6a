"""Run many small linear-algebra problems in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


class SharedContext:
    """Context manager for a setting of the process that several threads need at the same time.

    The first thread enters it, and the last one leaves it. If each thread saved and restored the
    setting by itself, the last to leave would restore what another thread had set.

    Parameters
    ----------
    make : callable
        Returns a context manager that changes the setting.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._users = 0
        self._entered: AbstractContextManager[Any] | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave_in_child)

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._entered = self._make()
                self._entered.__enter__()
            self._users += 1

    def __exit__(self, *problem: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._entered is not None:
                self._entered.__exit__(None, None, None)

    def _leave_in_child(self) -> None:
        """Restore the setting in a forked process, which has none of the other threads."""
        self._lock = threading.Lock()
        if self._users and self._entered is not None:
            self._users = 0
            self._entered.__exit__(None, None, None)


_SINGLE_BLAS_THREAD = SharedContext(lambda: threadpool_limits(limits=1, user_api="blas"))


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int | None = None
) -> list[Result]:
    """Apply ``function`` to every item in parallel, with one BLAS thread per item.

    NumPy and SciPy each have their own pool of BLAS threads. On problems of a few megabytes,
    the two pools spend their time waiting for each other. In a measurement, a logistic
    regression on 1,000 x 384 features was 20 times faster with one BLAS thread than with two.

    Parameters
    ----------
    function : callable
    items : iterable
    at_once : int, optional
        Maximum number of items that run at the same time; None uses one per processor.

    Returns
    -------
    list
        The results in the order of ``items``. The first exception of ``function`` is raised again.
    """
    processors = os.cpu_count() or 1
    with (
        _SINGLE_BLAS_THREAD,
        ThreadPoolExecutor(max_workers=min(at_once or processors, processors)) as pool,
    ):
        return list(pool.map(function, items))

"""Delay of Ctrl-C and SIGTERM until the current training step ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Record of a signal that asks the process to end.

    Attributes
    ----------
    signal : int or None
        Number of the signal; None until one arrives.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def take_effect(self) -> None:
        """Restore the original handlers and raise the signal again, if one arrived."""
        if self.signal is not None:
            self.give_back()
            signal.raise_signal(self.signal)

    def take_over(self) -> None:
        """Install handlers that record a signal instead of stopping the process."""
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._note)

    def give_back(self) -> None:
        """Restore the original handlers."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        is_second = self.signal is not None
        self.signal = number
        if is_second:  # a user who presses Ctrl-C twice does not want to wait for the step
            self.take_effect()


@contextmanager
def between_steps(*, wait: bool) -> Iterator[Stop]:
    """Delay Ctrl-C and SIGTERM inside the block until it calls ``take_effect`` or ends.

    A second signal takes effect at once.

    Parameters
    ----------
    wait : bool
        False to delay nothing: signals take effect at once. Outside the main thread, this is
        always the case.
    """
    stop = Stop()
    if wait and threading.current_thread() is threading.main_thread():
        stop.take_over()
    try:
        yield stop
        stop.take_effect()
    finally:
        stop.give_back()

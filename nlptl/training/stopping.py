"""Interruptions that wait until a training step is over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A signal that asked the process to end.

    Attributes
    ----------
    signal : int or None
        Its number; None as long as none arrived.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def take_effect(self) -> None:
        """Let the signal, if one arrived, do what it does without ``between_steps``."""
        if self.signal is not None:
            self._give_back()
            signal.raise_signal(self.signal)

    def _take_over(self) -> None:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._note)

    def _give_back(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _note(self, number: int, _frame: Any) -> None:
        second = self.signal is not None
        self.signal = number
        if second:  # who asks twice does not want to wait for the step
            self.take_effect()


@contextmanager
def between_steps(*, wait: bool) -> Iterator[Stop]:
    """Note Ctrl-C and SIGTERM inside the block; they take effect when it asks for that.

    Parameters
    ----------
    wait : bool
        False changes nothing: signals take effect at once, as they do outside the main thread.
    """
    stop = Stop()
    if wait and threading.current_thread() is threading.main_thread():
        stop._take_over()
    try:
        yield stop
        stop.take_effect()
    finally:
        stop._give_back()

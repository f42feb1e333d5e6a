"""Requests that arrive while the model is busy are answered together, in its next pass."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from nlptl.base.errors import NlptlError
from nlptl.data.rows import Text

Answerer = Callable[[Sequence[Text]], Sequence[Any]]


class BusyError(NlptlError):
    """So many texts wait already that no more are taken."""


@dataclass(eq=False)
class _Request:
    """Texts of one client, and where it waits for their answers."""

    texts: Sequence[Text]
    answers: asyncio.Future[list[Any]]
    begun: bool = False

    @property
    def are_pairs(self) -> bool:
        return not isinstance(self.texts[0], str)


class Batcher:
    """Puts the texts of several requests into one pass of a model, on a thread of its own.

    Nobody waits for others to come: the model starts as soon as it is free, with all that is
    there. Single texts and pairs are never in one pass.

    Parameters
    ----------
    answer : callable
        Takes n texts, gives n answers. Runs on one thread only, never twice at a time.
    max_batch : int
        Texts of a pass; a request that has more goes alone.
    max_waiting : int
        Texts that may wait.
    """

    def __init__(self, answer: Answerer, *, max_batch: int, max_waiting: int) -> None:
        self.answer = answer
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.waiting = 0
        self._queue: deque[_Request] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nlptl-model")
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, texts: Sequence[Text]) -> list[Any]:
        """Give the answers for some texts, in their order.

        Where the caller is cancelled before their pass begins, the texts are dropped.

        Parameters
        ----------
        texts : sequence of str, or of (str, str), not empty
            Checked already: one text that the model cannot read costs everyone a pass.

        Raises
        ------
        BusyError
            If too many texts wait.
        Exception
            What the model raised for these texts alone.
        """
        if self.waiting + len(texts) > self.max_waiting:
            raise BusyError(
                f"{self.waiting} texts wait for the model, and at most {self.max_waiting} may: "
                f"no room for {len(texts)} more. Ask again later."
            )
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self.waiting += len(texts)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            return await request.answers
        finally:
            if not request.begun:
                self._queue.remove(request)
                self.waiting -= len(texts)

    async def _work(self) -> None:
        """Answer until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                texts = [request.texts for request in batch]
                found = await loop.run_in_executor(self._thread, self._answered, texts)
                for request, answers in zip(batch, found, strict=True):
                    _tell(request.answers, answers)
        finally:
            self._worker = None

    def _next(self) -> list[_Request]:
        """Take the requests of the next pass from the queue."""
        batch: list[_Request] = []
        room = self.max_batch
        while self._queue:
            first = self._queue[0]
            if batch and (len(first.texts) > room or first.are_pairs != batch[0].are_pairs):
                break
            first.begun = True
            batch.append(self._queue.popleft())
            room -= len(first.texts)
            self.waiting -= len(first.texts)
        return batch

    def _answered(self, requests: Sequence[Sequence[Text]]) -> list[list[Any] | Exception]:
        """Give the answers of each request, or what went wrong with it; on the model's thread."""
        together = [text for texts in requests for text in texts]
        try:
            answers = list(self.answer(together))
            if len(answers) != len(together):
                raise RuntimeError(f"{len(together)} texts got {len(answers)} answers.")
        except Exception as problem:
            if len(requests) == 1:
                # A future takes no StopIteration.
                odd = isinstance(problem, StopIteration)
                return [RuntimeError("The model stopped.") if odd else problem]
            return [self._answered([texts])[0] for texts in requests]
        rest = iter(answers)
        return [[next(rest) for _ in texts] for texts in requests]


def _tell(waiting: asyncio.Future[list[Any]], answers: list[Any] | Exception) -> None:
    """Give a client its answers, or what went wrong, unless it waits no more."""
    if waiting.done():
        return
    if isinstance(answers, Exception):
        waiting.set_exception(answers)
    else:
        waiting.set_result(answers)

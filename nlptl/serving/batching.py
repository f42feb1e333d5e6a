"""Combine the requests that arrive while the model is busy into its next pass."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nlptl.base.errors import NlptlError
from nlptl.base.inputs import Text

Answerer = Callable[[Sequence[Text]], Sequence[object]]


class BusyError(NlptlError):
    """Raised if too many texts already wait for the model."""


@dataclass(eq=False)
class _Request:
    """The texts of one client, and the future that receives their answers."""

    texts: Sequence[Text]
    answers: asyncio.Future[list[object]]
    begun: bool = False

    @property
    def are_pairs(self) -> bool:
        return not isinstance(self.texts[0], str)


class Batcher:
    """Combine the texts of several requests into one pass of a model, on a separate thread.

    The model does not wait for more requests: it starts as soon as it is free, with all waiting
    texts. A pass never mixes single texts and pairs.

    Parameters
    ----------
    answer : callable
        Takes n texts and returns n answers. It runs on one thread, one call at a time.
    max_batch : int
        Maximum number of texts per pass. A larger request gets a pass of its own.
    max_waiting : int
        Maximum number of waiting texts.
    """

    def __init__(self, answer: Answerer, *, max_batch: int, max_waiting: int) -> None:
        self.answer = answer
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.waiting = 0
        self._queue: deque[_Request] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nlptl-model")
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, texts: Sequence[Text]) -> list[object]:
        """Return the answers for some texts, in their order.

        The texts are dropped if the caller is cancelled before their pass begins.

        Parameters
        ----------
        texts : sequence of str, or of (str, str), not empty
            Check them first: a text that the model cannot read costs every request an extra pass.

        Raises
        ------
        BusyError
            If too many texts wait already.
        Exception
            The error that the model raised for these texts alone.
        """
        if self.waiting + len(texts) > self.max_waiting:
            raise BusyError(
                f"At most {self.max_waiting} texts may wait for the model. {self.waiting} texts "
                f"wait already, so {len(texts)} more do not fit. Try again later."
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
        """Answer requests until none waits."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                texts = [request.texts for request in batch]
                results = await loop.run_in_executor(self._thread, self._answered, texts)
                for request, answers in zip(batch, results, strict=True):
                    _deliver(request.answers, answers)
        finally:
            self._worker = None

    def _next(self) -> list[_Request]:
        """Take the requests of the next pass from the queue."""
        batch: list[_Request] = []
        free = self.max_batch
        while self._queue:
            first = self._queue[0]
            if batch and (len(first.texts) > free or first.are_pairs != batch[0].are_pairs):
                break
            first.begun = True
            batch.append(self._queue.popleft())
            free -= len(first.texts)
            self.waiting -= len(first.texts)
        return batch

    def _answered(self, requests: Sequence[Sequence[Text]]) -> list[list[object] | Exception]:
        """Return the answers or the error of each request. Runs on the thread of the model."""
        all_texts = [text for texts in requests for text in texts]
        try:
            answers = list(self.answer(all_texts))
            if len(answers) != len(all_texts):
                raise RuntimeError(
                    "The model must return one answer per text, "
                    f"got {len(answers)} answers for {len(all_texts)} texts."
                )
        except BaseException as problem:  # the tokenizers of Rust raise such errors
            if len(requests) == 1:
                if isinstance(problem, Exception) and not isinstance(problem, StopIteration):
                    return [problem]
                # A future cannot hold these.
                return [RuntimeError(f"The model raised {type(problem).__name__}: {problem}")]
            return [self._answered([texts])[0] for texts in requests]
        remaining = iter(answers)
        return [[next(remaining) for _ in texts] for texts in requests]


def _deliver(future: asyncio.Future[list[object]], answers: list[object] | Exception) -> None:
    """Pass the answers or the error to a client, unless it no longer waits."""
    if future.done():
        return
    if isinstance(answers, Exception):
        future.set_exception(answers)
    else:
        future.set_result(answers)

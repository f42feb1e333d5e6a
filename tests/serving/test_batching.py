import asyncio

import pytest

from nlptl.serving.batching import Batcher, BusyError


def make(scripted, *, max_batch=8, max_waiting=100):
    return Batcher(scripted.predict, max_batch=max_batch, max_waiting=max_waiting)


async def held(scripted, batcher):
    """Let the model be busy with one text."""
    scripted.hold()
    first = asyncio.create_task(batcher.ask(["first"]))
    await asyncio.to_thread(scripted.began.wait, 300)
    return first


async def waiting(batcher, *requests):
    tasks = [asyncio.create_task(batcher.ask(texts)) for texts in requests]
    await asyncio.sleep(0)
    return tasks


async def ended(scripted, *tasks):
    scripted.free.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_comes_while_the_model_is_busy_is_answered_in_one_pass(scripted):
    async def story():
        batcher = make(scripted, max_batch=5)
        first = await held(scripted, batcher)
        sizes = [["a"], ["bb", "ccc"], ["dddd"], ["e" * 5, "f" * 6]]
        others = await waiting(batcher, *sizes)
        assert batcher.waiting == 6
        assert await ended(scripted, first, *others) == [[5], [1], [2, 3], [4], [5, 6]]
        assert batcher.waiting == 0
        assert scripted.passes == [["first"], ["a", "bb", "ccc", "dddd"], sizes[3]]
        assert await batcher.ask(["again"]) == [5]

    asyncio.run(story())


def test_a_request_larger_than_a_batch_goes_alone_and_pairs_go_with_pairs(scripted):
    async def story():
        batcher = make(scripted, max_batch=3)
        first = await held(scripted, batcher)
        requests = [["a"], ["b"] * 4, [("c", "d")], [("e", "f")], ["g"]]
        others = await waiting(batcher, *requests)
        await ended(scripted, first, *others)
        assert scripted.passes[1:] == [["a"], ["b"] * 4, [("c", "d"), ("e", "f")], ["g"]]

    asyncio.run(story())


def test_a_text_that_fails_fails_alone(scripted):
    async def story():
        batcher = make(scripted)
        first = await held(scripted, batcher)
        others = await waiting(batcher, ["a"], ["bad"], ["ccc"])
        said = await ended(scripted, first, *others)
        assert said[:2] == [[5], [1]] and said[3] == [3]
        assert isinstance(said[2], RuntimeError)
        assert await batcher.ask(["after"]) == [5]

    asyncio.run(story())


def test_answers_are_never_dealt_out_where_their_number_is_wrong():
    async def story():
        batcher = Batcher(lambda texts: texts[1:], max_batch=8, max_waiting=8)
        with pytest.raises(RuntimeError, match="got 1 answers for 2 texts"):
            await batcher.ask(["a", "b"])

    asyncio.run(story())


def test_texts_that_nobody_waits_for_are_dropped(scripted):
    async def story():
        batcher = make(scripted)
        first = await held(scripted, batcher)
        gone, stays = await waiting(batcher, ["gone"], ["stays"])
        gone.cancel()
        await asyncio.wait({gone})
        assert batcher.waiting == 1
        first.cancel()  # its pass goes on, and nobody is told
        assert (await ended(scripted, first, stays))[1] == [5]
        assert scripted.passes == [["first"], ["stays"]]

    asyncio.run(story())


def test_no_more_texts_wait_than_may(scripted):
    async def story():
        batcher = make(scripted, max_waiting=3)
        first = await held(scripted, batcher)
        others = await waiting(batcher, ["a", "b"])
        with pytest.raises(BusyError, match="At most 3 texts.* 2 texts wait already, so 2 more"):
            await batcher.ask(["c", "d"])
        others += await waiting(batcher, ["c"])
        assert await ended(scripted, first, *others) == [[5], [1, 1], [1]]

    asyncio.run(story())


def test_the_thread_of_the_model_computes_with_as_many_threads_as_the_process():
    import torch

    def asked(texts):
        return [torch.get_num_threads() for _ in texts]

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        found = asyncio.run(Batcher(asked, max_batch=8, max_waiting=8).ask(["a"]))
    finally:
        torch.set_num_threads(before)
    assert found == [before + 1]


def test_whatever_a_model_raises_the_next_one_is_answered():
    class PanicException(BaseException):
        """As the tokenizers of Rust raise it."""

    def stops(texts):
        if "stop" in texts:
            raise StopIteration
        if "panic" in texts:
            raise PanicException
        return texts

    async def story():
        batcher = Batcher(stops, max_batch=8, max_waiting=8)
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            await batcher.ask(["stop"])
        with pytest.raises(RuntimeError, match="raised PanicException"):
            await asyncio.wait_for(batcher.ask(["panic"]), 5)
        assert await asyncio.wait_for(batcher.ask(["ok"]), 5) == ["ok"]

    asyncio.run(story())

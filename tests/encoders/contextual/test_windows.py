import os
import threading

import numpy as np
import pytest
from transformers import AutoTokenizer

from nlptl.encoders.contextual.windows import TOKENIZER_LOCK, Windows, count_tokens, cut_windows


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return AutoTokenizer.from_pretrained(tiny_encoder)


LONG = " ".join(["the parcel came late"] * 10)


def test_a_long_text_is_covered_by_overlapping_windows(tokenizer):
    windows = cut_windows(tokenizer, ["the parcel", LONG], window=12, overlap=3)
    assert windows.text_of_window.tolist() == [0] + [1] * (len(windows.ids) - 1)
    assert max(windows.sizes) <= 12
    inner = [ids[1:-1] for ids in windows.ids[1:]]
    covered = inner[0] + [token for ids in inner[1:] for token in ids[3:]]
    assert covered == tokenizer(LONG, add_special_tokens=False)["input_ids"]
    assert all(ids[0] == 2 and ids[-1] == 3 for ids in windows.ids)


def test_without_overlap_only_the_beginning_is_read(tokenizer):
    windows = cut_windows(tokenizer, [LONG, "the"], window=12, overlap=None)
    assert windows.sizes.tolist() == [12, 3]


def test_tokens_are_counted_without_a_cut_and_the_tokenizer_stays_as_it_was(tokenizer):
    cut_windows(tokenizer, [LONG], window=12, overlap=None)
    before = tokenizer.backend_tokenizer.truncation
    assert count_tokens(tokenizer, [LONG, "the parcel"]).tolist() == [42, 4]
    assert tokenizer.backend_tokenizer.truncation == before
    assert isinstance(count_tokens(tokenizer, []), np.ndarray)


def test_some_windows_are_taken_with_their_texts_and_types():
    windows = Windows(
        [[1], [2, 3], [4]], np.array([0, 1, 1]), np.array([1, 2, 1]), [[0], [0, 1], [1]]
    )
    some = windows.take(np.array([2, 1]))
    assert (some.ids, some.kinds) == ([[4], [2, 3]], [[1], [0, 1]])
    assert some.sizes.tolist() == [1, 2] and some.text_of_window.tolist() == [1, 1]


def test_threads_that_share_a_tokenizer_do_not_change_each_other(tokenizer):
    long = ["the parcel came late and the box was broken " * 4] * 20
    expected = cut_windows(tokenizer, long, window=16, overlap=4)

    def count():
        for _ in range(50):
            count_tokens(tokenizer, long)

    counting = threading.Thread(target=count)
    counting.start()
    try:
        for _ in range(30):
            assert cut_windows(tokenizer, long, window=16, overlap=4).ids == expected.ids
    finally:
        counting.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_that_is_forked_while_a_thread_reads_texts_can_read_texts(tokenizer):
    long, stop = ["the parcel came late " * 50] * 200, threading.Event()

    def read():
        while not stop.is_set():
            count_tokens(tokenizer, long)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        child = os.fork()
        if not child:
            os._exit(0 if TOKENIZER_LOCK.acquire(timeout=30) else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        reading.join()

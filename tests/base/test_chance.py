import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch

from nlptl.base.chance import Chance, sheltered, torch_seed


def test_the_same_seed_draws_the_same_numbers():
    with torch_seed(3):
        first = torch.rand(4)
    with torch_seed(3):
        assert torch.equal(first, torch.rand(4))


def test_the_generator_of_the_user_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch_seed(99):
        torch.rand(100)
    assert torch.equal(expected, torch.rand(3))


def test_a_stream_goes_on_from_block_to_block():
    with torch_seed(3):
        expected = torch.rand(4)
    chance, parts = Chance(3), []
    for _ in range(2):
        with chance.drawing():
            parts.append(torch.rand(2))
        with torch_seed(5):
            torch.rand(7)
    assert torch.equal(torch.cat(parts), expected)


def test_blocks_may_be_nested_and_the_outer_one_goes_on():
    with torch_seed(3):
        expected = torch.rand(4)
    with torch_seed(3):
        first = torch.rand(2)
        with torch_seed(4), sheltered():
            torch.rand(9)
        assert torch.equal(torch.cat([first, torch.rand(2)]), expected)


def test_draws_that_do_not_matter_are_kept_from_the_user_and_belong_to_a_block():
    before = torch.get_rng_state()
    with sheltered():
        torch.rand(100)
    assert torch.equal(torch.get_rng_state(), before)
    with torch_seed(3):
        expected = torch.rand(4)[2:]
    with torch_seed(3):
        with sheltered():
            torch.rand(2)
        assert torch.equal(torch.rand(2), expected)


def test_a_block_waits_for_the_block_of_another_thread():
    entered, order = Event(), []

    def other():
        with torch_seed(1):
            entered.set()
            order.append(torch.rand(1).item())

    with ThreadPoolExecutor(1) as pool:
        with torch_seed(2):
            waiting = pool.submit(other)
            order.append(torch.rand(1).item())
            assert not entered.is_set()
        waiting.result()
    drawn = []
    for seed in (2, 1):
        with torch_seed(seed):
            drawn.append(torch.rand(1).item())
    assert order == drawn


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent():
    entered, leave = Event(), Event()

    def other():
        with torch_seed(1):
            entered.set()
            leave.wait()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(other)
        entered.wait()
        child = os.fork()
        if not child:
            signal.alarm(60)
            with torch_seed(2):
                os._exit(0)
        leave.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

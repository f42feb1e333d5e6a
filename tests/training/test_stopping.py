import signal

import pytest

from nlptl.training.stopping import between_steps


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C is an error, also where the tests run in the background and would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def terminated():
    """SIGTERM raises an error outside of the blocks under test."""

    class Terminated(Exception):
        pass

    def end(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    yield Terminated
    signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_until_it_may_take_effect(terminated):
    for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, terminated)):
        done = []
        with pytest.raises(error), between_steps(wait=True) as stop:
            stop.take_effect()
            signal.raise_signal(number)
            done.append(stop.signal)
            stop.take_effect()
            done.append("never")
        assert done == [number]
        with pytest.raises(error):
            signal.raise_signal(number)


def test_a_signal_that_nobody_asked_for_takes_effect_at_the_end():
    with pytest.raises(KeyboardInterrupt), between_steps(wait=True):
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_takes_effect_at_once():
    with pytest.raises(KeyboardInterrupt), between_steps(wait=True):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal did not end the block")


def test_where_nothing_waits_signals_take_effect_at_once():
    with pytest.raises(KeyboardInterrupt), between_steps(wait=False):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the signal did not end the block")

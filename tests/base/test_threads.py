import os
import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from nlptl.base.threads import SharedContext, map_in_threads


def blas_threads():
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_results_come_in_the_order_of_the_items():
    assert map_in_threads(lambda x: x * x, range(20)) == [x * x for x in range(20)]


def test_each_item_has_one_linear_algebra_thread_and_the_setting_is_given_back():
    before = blas_threads()
    (inside,) = map_in_threads(lambda _: blas_threads(), [0])
    assert set(inside) == {1}
    assert blas_threads() == before


def test_the_first_exception_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda x: 1 / x, [1, 0])


def test_no_more_items_are_worked_on_at_once_than_asked_for():
    threads = set(map_in_threads(lambda _: threading.get_ident(), range(20), at_once=1))
    assert len(threads) == 1


def test_a_setting_that_threads_share_is_restored_by_the_last_of_them():
    setting = ["user"]

    @contextmanager
    def changed():
        before = setting[0]
        setting[0] = "changed"
        yield
        setting[0] = before

    shared, second = SharedContext(changed), ExitStack()
    with shared:
        second.enter_context(shared)
        assert setting == ["changed"]
    assert setting == ["changed"]  # the second user still needs it
    second.close()
    assert setting == ["user"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_restores_what_threads_of_its_parent_share():
    setting = ["user"]

    @contextmanager
    def changed():
        setting[0] = "changed"
        yield
        setting[0] = "user"

    with SharedContext(changed):
        child = os.fork()
        if not child:
            os._exit(0 if setting == ["user"] else 1)
        assert os.waitpid(child, 0)[1] == 0 and setting == ["changed"]

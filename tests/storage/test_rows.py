import subprocess
import sys

import numpy as np
import pytest

from nlptl.base.errors import StorageError
from nlptl.storage.rows import RowStore


def keys_of(numbers):
    numbers = np.asarray(numbers, dtype=np.uint64)
    return np.stack([numbers * 7919, numbers], axis=1)


def rows_of(numbers, width=4):
    return np.repeat(np.asarray(numbers, dtype=np.float16)[:, None], width, axis=1)


def store_at(folder, *, limit=10**9, name="s"):
    return RowStore(folder, name, limit_bytes=limit)


def test_rows_come_back_in_the_order_asked_for_with_holes(tmp_path):
    store_at(tmp_path).add(keys_of([1, 2, 3]), rows_of([1, 2, 3]))
    found, rows = store_at(tmp_path).look_up(keys_of([3, 9, 1]))
    assert found.tolist() == [True, False, True]
    assert rows[:, 0].tolist() == [3.0, 0.0, 1.0]
    assert rows.dtype == np.float16


def test_nothing_stored_finds_nothing(tmp_path):
    found, rows = store_at(tmp_path).look_up(keys_of([1, 2]))
    assert not found.any()
    assert rows is None


def test_keys_that_agree_in_one_half_are_not_mixed_up(tmp_path):
    store = store_at(tmp_path)
    store.add(np.array([[5, 1]], dtype=np.uint64), rows_of([1]))
    found, _ = store.look_up(np.array([[5, 2], [6, 1]], dtype=np.uint64))
    assert not found.any()


def test_the_bound_drops_what_was_not_used_for_the_longest_time(tmp_path):
    store = store_at(tmp_path, limit=1500)
    for number in range(20):
        store.add(keys_of([number]), rows_of([number]))
        store.look_up(keys_of([0]))  # keep the first one in use
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.rows")) <= 1500
    assert len(store._open) <= len(list(tmp_path.rglob("*.rows")))  # no map of a removed file
    found, _ = store_at(tmp_path, limit=1500).look_up(keys_of([0, 1]))
    assert found.tolist() == [True, False]


def test_rows_larger_than_the_bound_are_refused_with_the_numbers(tmp_path):
    with pytest.raises(StorageError, match=r"is full: .* do not fit its limit of 0\.0 MB"):
        store_at(tmp_path, limit=10).add(keys_of([1]), rows_of([1]))
    assert not list(tmp_path.rglob("*.rows"))


def test_many_small_files_are_merged_and_nothing_is_lost(tmp_path):
    store = store_at(tmp_path)
    for number in range(120):
        store.add(keys_of([number]), rows_of([number]))
    assert len(list(tmp_path.rglob("*.rows"))) < 60
    found, rows = store.look_up(keys_of(range(120)))
    assert found.all()
    assert rows[:, 0].tolist() == list(range(120))


def test_a_damaged_or_vanished_file_only_means_not_found(tmp_path):
    store_at(tmp_path).add(keys_of([1]), rows_of([1]))
    (path,) = tmp_path.rglob("*.rows")
    path.write_bytes(b"rubbish")
    found, _ = store_at(tmp_path).look_up(keys_of([1]))
    assert not found.any()


def test_two_processes_write_at_once_and_both_are_found(tmp_path):
    code = (
        "import sys; import numpy as np; from pathlib import Path\n"
        "from nlptl.storage.rows import RowStore\n"
        "start = int(sys.argv[2]); store = RowStore(Path(sys.argv[1]), 's', limit_bytes=10**9)\n"
        "for n in range(start, start + 60):\n"
        "    k = np.array([[n * 7919, n]], dtype=np.uint64)\n"
        "    store.look_up(k); store.add(k, np.full((1, 4), n, dtype=np.float16))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(start)])
        for start in (0, 1000)
    ]
    assert [process.wait() for process in running] == [0, 0]
    wanted = [*range(60), *range(1000, 1060)]
    found, rows = store_at(tmp_path).look_up(keys_of(wanted))
    assert found.all()
    assert rows[:, 0].tolist() == wanted
    assert not list(tmp_path.rglob(".draft*"))


def test_a_damaged_file_does_not_stop_the_merging(tmp_path):
    store = store_at(tmp_path)
    store.add(keys_of([1000]), rows_of([1000]))
    (path,) = tmp_path.rglob("*.rows")
    path.write_bytes(b"rubbish")
    for number in range(120):
        store.add(keys_of([number]), rows_of([number]))
    assert len(list(tmp_path.rglob("*.rows"))) < 60
    assert store.look_up(keys_of(range(120)))[0].all()


def test_what_a_killed_process_left_is_swept_up(tmp_path):
    store = store_at(tmp_path)
    store.add(keys_of([1]), rows_of([1]))
    (tmp_path / "s" / ".draft-old").write_bytes(b"x" * 1000)
    store.add(keys_of([2]), rows_of([2]))
    assert not list(tmp_path.rglob(".draft-*"))

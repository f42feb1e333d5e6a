import random
import subprocess
import sys
import warnings

import numpy as np
import pytest

from nlptl.base.errors import StorageError
from nlptl.storage.row_cache import RowStore, row_checksums
from nlptl.storage.tensors import save_arrays


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
    with pytest.warns(UserWarning, match=f"{path.name}' is damaged"):
        found, _ = store_at(tmp_path).look_up(keys_of([1]))
    assert not found.any()
    assert not path.exists()
    assert not store_at(tmp_path).look_up(keys_of([1]))[0].any()


def test_two_processes_write_at_once_and_both_are_found(tmp_path):
    code = (
        "import sys; import numpy as np; from pathlib import Path\n"
        "from nlptl.storage.row_cache import RowStore\n"
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


@pytest.mark.parametrize(("width", "dtype"), [(4, np.float16), (3, np.float32), (8, np.float64)])
def test_no_flipped_bit_gives_a_wrong_row_and_the_others_are_kept(tmp_path, width, dtype):
    numbers = range(1, 21)
    rows = rows_of(numbers, width).astype(dtype)
    store_at(tmp_path).add(keys_of(numbers), rows)
    (path,) = tmp_path.rglob("*.rows")
    content = path.read_bytes()
    chance = random.Random(0)
    for _ in range(60):
        for other in tmp_path.rglob("*.rows"):
            other.unlink()
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found, values = store_at(tmp_path).look_up(keys_of(numbers))
            if values is not None:
                np.testing.assert_array_equal(values[found], rows[found])
            n_warnings = len(caught)
            again, _ = store_at(tmp_path).look_up(keys_of(numbers))
        assert again.tolist() == found.tolist()
        assert len(caught) == n_warnings <= 1


def test_a_file_without_checksums_is_not_read(tmp_path):
    (tmp_path / "s").mkdir()
    save_arrays(tmp_path / "s" / "old.rows", {"keys": keys_of([1]), "rows": rows_of([1])})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = store_at(tmp_path).look_up(keys_of([1]))
    assert not found.any()


def test_a_checksum_depends_on_every_bit_of_the_key_and_the_row():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**63, size=(1, 2)).astype(np.uint64)
    rows = rng.normal(size=(1, 3)).astype(np.float32)
    whole = row_checksums(keys, rows)
    for array in (keys, rows):
        for place in range(array.nbytes * 8):
            changed = array.copy()
            changed.view(np.uint8).reshape(-1)[place // 8] ^= 1 << place % 8
            both = (changed, rows) if array is keys else (keys, changed)
            assert row_checksums(*both) != whole


def test_no_room_for_rows_is_one_error(tmp_path, in_small_files):
    code = (
        "import numpy as np; from nlptl.storage.row_cache import RowStore\n"
        "from nlptl.base.errors import StorageError\n"
        "limit(900)\n"
        "try: RowStore(Path(sys.argv[1]), 's', limit_bytes=10**9).add(\n"
        "    np.zeros((500, 2), np.uint64), np.zeros((500, 4), np.float16))\n"
        "except StorageError as problem: print(problem)\n"
    )
    done = in_small_files(code, tmp_path)
    assert done.stderr == ""
    assert "File too large. At least 0.1 MB are needed there." in done.stdout
    assert not list((tmp_path / "s").iterdir())


def test_a_file_without_an_intact_row_is_removed(tmp_path):
    store_at(tmp_path).add(keys_of([1]), rows_of([1]))
    (path,) = tmp_path.rglob("*.rows")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # one bit of the only row or of its checksum
    path.write_bytes(bytes(content))
    with pytest.warns(UserWarning, match="is damaged"):
        assert not store_at(tmp_path).look_up(keys_of([1]))[0].any()
    assert not list(tmp_path.rglob("*.rows"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not store_at(tmp_path).look_up(keys_of([1]))[0].any()

import json

import numpy as np
import pytest

from nlptl.base.errors import IntegrityError
from nlptl.storage.tensors import check_array, load_arrays, map_arrays, save_arrays

ARRAYS = {
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(20, dtype=np.float32)[::2],
    "half": np.ones((2, 3), dtype=np.float16),
    "whole": np.array([1, -2], dtype=np.int64),
    "bytes": np.frombuffer(b"abc", dtype=np.uint8),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 4), dtype=np.float32),
    "nan": np.array([np.nan]),
}


def test_every_array_comes_back_equal_whatever_its_layout(tmp_path):
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    found = load_arrays(tmp_path / "a.safetensors")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_map_reads_no_more_than_it_is_asked_for_and_cannot_be_changed(tmp_path):
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    mapped = map_arrays(tmp_path / "a.safetensors")["half"]
    assert isinstance(mapped, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_others_can_read_the_file(tmp_path):
    from safetensors.numpy import load_file

    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    np.testing.assert_array_equal(
        load_file(tmp_path / "a.safetensors")["fortran"], ARRAYS["fortran"]
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:20],
        lambda raw: b"",
        lambda raw: (10**9).to_bytes(8, "little") + raw[8:],
        lambda raw: raw[:8] + b"x" + raw[9:],
        lambda raw: raw.replace(b'"shape":[3,4]', b'"shape":[9,4]'),
        lambda raw: raw.replace(b'"dtype":"F16"', b'"dtype":"F99"'),
    ],
)
def test_a_damaged_header_or_a_short_file_is_refused(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    save_arrays(path, ARRAYS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IntegrityError, match=r"a\.safetensors' is not a complete"):
        map_arrays(path)


def written(path, header, data=b""):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + data)
    return path


TWO = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "n_bytes"),
    [
        ([], 0),
        (b"[" * 100_000 + b"]" * 100_000, 0),
        ({f"a{i}": TWO for i in range(100)}, 8),
        ({"a": TWO, "b": {**TWO, "data_offsets": [4, 12]}}, 12),
        ({"a": {**TWO, "data_offsets": [8, 16]}}, 16),
        ({"a": {**TWO, "data_offsets": [8, 16]}}, 8),
        ({"a": {**TWO, "data_offsets": [-8, 0]}}, 8),
        ({"a": {**TWO, "data_offsets": [0.0, 8.0]}}, 8),
        ({"a": TWO}, 9),
        ({"a": {**TWO, "shape": ["2"]}}, 8),
        ({"a": {**TWO, "shape": [-2, -1]}}, 8),
        ({"a": {**TWO, "shape": [True, 2]}}, 8),
        ({"a": {**TWO, "shape": [2**32, 2**32], "data_offsets": [0, 0]}}, 0),
        ({"a": {**TWO, "shape": [0, 2**62], "data_offsets": [0, 0]}}, 0),
        ({"a": {**TWO, "dtype": "F8_E4M3"}}, 8),
        ({"a": {**TWO, "dtype": ["F32"]}}, 8),
        ({"a": "F32"}, 8),
        ({"a": {"dtype": "F32"}}, 8),
        (b'{"a": ' + json.dumps(TWO).encode() + b', "a": ' + json.dumps(TWO).encode() + b"}", 8),
    ],
)
def test_a_header_that_does_not_describe_its_file_exactly_is_refused(tmp_path, header, n_bytes):
    path = written(tmp_path / "a.safetensors", header, bytes(n_bytes))
    for read in (load_arrays, map_arrays):
        with pytest.raises(IntegrityError, match=r"a\.safetensors' is not a complete"):
            read(path)


def test_arrays_in_any_order_of_the_header_are_read(tmp_path):
    header = {"b": {**TWO, "data_offsets": [8, 16]}, "a": TWO, "__metadata__": {"x": "y"}}
    path = written(tmp_path / "a", header, np.arange(4, dtype=np.float32).tobytes())
    assert {name: array.tolist() for name, array in load_arrays(path).items()} == {
        "a": [0, 1],
        "b": [2, 3],
    }


@pytest.mark.parametrize(
    "array",
    [np.zeros(3, np.uint8), np.zeros((2, 2)), np.array([0, np.nan, 0]), np.array([0, 0, np.inf])],
)
def test_learnt_numbers_are_finite_floats_in_their_shape(array):
    with pytest.raises(ValueError, match="coef"):
        check_array("coef", array, (3,))
    check_array("coef", np.zeros(3), (3,))


def test_an_array_without_dimensions_stays_one(tmp_path):
    save_arrays(tmp_path / "a", {"count": np.array(3), "vector": np.arange(2.0)})
    assert load_arrays(tmp_path / "a")["count"].shape == ()
    assert map_arrays(tmp_path / "a")["count"].shape == ()

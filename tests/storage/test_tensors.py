import numpy as np
import pytest

from nlptl.base.errors import IntegrityError
from nlptl.storage.tensors import load_arrays, map_arrays, save_arrays

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
    with pytest.raises(IntegrityError, match=r"a\.safetensors' is not a whole"):
        map_arrays(path)

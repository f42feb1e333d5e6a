import os

import numpy as np
import pytest

from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.encoders.static import vector_sources
from nlptl.encoders.static.vector_sources import open_vectors


def test_a_file_is_converted_once(vectors_file, tmp_path, monkeypatch):
    vector_sources._SHELF.clear()
    first = open_vectors(str(vectors_file), cache=tmp_path)
    assert isinstance(first.vectors, np.memmap)
    vector_sources._SHELF.clear()
    monkeypatch.setattr(vector_sources, "read_word_vectors", None)  # would fail if it were called
    again = open_vectors(vectors_file, cache=tmp_path)
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert open_vectors(vectors_file, cache=tmp_path) is again


def test_a_store_that_changed_on_the_disk_is_converted_again_with_a_warning(
    vectors_file, tmp_path, recwarn
):
    vector_sources._SHELF.clear()
    expected = np.array(open_vectors(vectors_file, cache=tmp_path).vectors)
    for name in ("vectors.safetensors", "store.json", "checksums.json"):
        (path,) = tmp_path.rglob(name)
        content = bytearray(path.read_bytes())
        content[-5] ^= 4
        path.write_bytes(content)
        vector_sources._SHELF.clear()
        with pytest.warns(UserWarning, match="damaged: the vectors are converted again"):
            found = open_vectors(vectors_file, cache=tmp_path).vectors
        np.testing.assert_array_equal(found, expected)
    vector_sources._SHELF.clear()
    recwarn.clear()
    open_vectors(vectors_file, cache=tmp_path)
    assert not recwarn


def test_without_a_home_folder_vectors_are_opened_and_not_kept(vectors_file, monkeypatch):
    def nowhere():
        raise StorageError("There is no folder for caches.")

    vector_sources._SHELF.clear()
    monkeypatch.setattr(vector_sources, "cache_root", nowhere)
    with pytest.warns(UserWarning, match="Word vectors are not kept: There is no folder"):
        assert len(open_vectors(vectors_file, cache="auto").tokens) > 10
    vector_sources._SHELF.clear()


def test_a_changed_file_is_converted_again(vectors_file, tmp_path):
    copy = tmp_path / "copy.vec"
    copy.write_bytes(vectors_file.read_bytes())
    before = open_vectors(copy, cache=tmp_path / "c")
    lines = copy.read_text().splitlines()
    copy.write_text("\n".join(["2 8", *lines[1:3]]) + "\n")
    os.utime(copy, ns=(5, 5))
    assert len(open_vectors(copy, cache=tmp_path / "c").tokens) == 2 < len(before.tokens)


def test_without_a_cache_nothing_is_written(vectors_file, tmp_path, monkeypatch):
    vector_sources._SHELF.clear()
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "none"))
    store = open_vectors(vectors_file, cache=None)
    assert not isinstance(store.vectors, np.memmap)
    assert not (tmp_path / "none").exists()


def test_gensim_vectors_are_taken_as_they_are(vectors_file):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors.load_word2vec_format(str(vectors_file))
    store = open_vectors(keyed, cache=None)
    assert np.shares_memory(store.vectors, keyed.vectors)


def test_a_damaged_file_leaves_nothing_in_the_cache(tmp_path):
    bad = tmp_path / "bad.vec"
    bad.write_text("no vectors here\n")
    with pytest.raises(InputError, match="does not hold word vectors"):
        open_vectors(bad, cache=tmp_path / "c")
    assert not (tmp_path / "c").exists() or not any((tmp_path / "c").rglob("*.json"))


def test_anything_else_is_refused():
    with pytest.raises(ConfigError, match="got int"):
        open_vectors(3, cache=None)


def test_a_cache_that_cannot_be_written_is_a_warning(vectors_file, tmp_path):
    vector_sources._SHELF.clear()
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="Word vectors are not kept: "):
        store = open_vectors(vectors_file, cache=tmp_path / "file" / "c")
    assert len(store.tokens) > 2

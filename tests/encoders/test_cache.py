import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import ConfigError, StorageError
from nlptl.encoders.cache import FeatureCache, as_cache, encode_through, without_cache


class Counter:
    """Encodes a text as its length and first letter, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts, total):
        self.asked.append(list(texts))
        return np.array([[len(t), ord(t[0])] for t in texts], dtype=np.float32).reshape(-1, 2)


def encode(cache, texts, encoder, settings=None):
    return encode_through(cache, texts, settings=lambda: settings or {"a": 1}, encode=encoder)


def test_each_distinct_text_is_encoded_once_and_order_is_kept():
    encoder = Counter()
    found = encode(None, ["bb", "a", "bb", "ccc"], encoder)
    assert found[:, 0].tolist() == [2, 1, 2, 3]
    assert sorted(encoder.asked[0]) == ["a", "bb", "ccc"]


def test_a_second_run_encodes_only_what_is_new(tmp_path):
    cache, encoder = FeatureCache(tmp_path), Counter()
    encode(cache, ["a", "bb"], encoder)
    found = encode(cache, ["ccc", "bb", "a"], encoder)
    assert encoder.asked[1:] == [["ccc"]]
    assert found[:, 0].tolist() == [3, 2, 1]


def test_repeats_of_stored_and_of_new_texts_have_the_vector_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr("nlptl.encoders.cache._BLOCK", 2)  # several blocks of each kind
    cache, encoder = FeatureCache(tmp_path), Counter()
    encode(cache, ["a", "bb"], encoder)
    texts = ["ccc", "a", "ccc", "bb", "a", "dddd", "bb", "ccc", "eeeee", "a"]
    assert encode(cache, texts, encoder)[:, 0].tolist() == [len(text) for text in texts]
    assert [text for asked in encoder.asked[1:] for text in asked] == ["eeeee", "dddd", "ccc"]


def test_other_settings_are_other_vectors(tmp_path):
    cache, encoder = FeatureCache(tmp_path), Counter()
    encode(cache, ["a"], encoder, {"pooling": "mean"})
    encode(cache, ["a"], encoder, {"pooling": "cls"})
    assert encoder.asked == [["a"], ["a"]]


def test_no_texts_have_the_width_that_some_have(tmp_path):
    assert encode(FeatureCache(tmp_path), [], Counter()).shape == (0, 2)


def test_a_full_cache_warns_once_and_the_vectors_are_right(tmp_path):
    cache = FeatureCache(tmp_path, limit_gigabytes=1e-9)
    with pytest.warns(UserWarning, match="Vectors are not kept: The cache .* is full") as caught:
        found = encode(cache, ["a", "bb"], Counter())
    assert len(caught) == 1
    assert found[:, 0].tolist() == [1, 2]
    assert not list(tmp_path.rglob("*.rows"))


def test_an_unwritable_folder_warns_and_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="Vectors are not kept: Cannot write"):
        assert encode(FeatureCache(tmp_path / "file"), ["a"], Counter())[0, 0] == 1


def test_no_room_on_the_disk_warns_once_and_the_vectors_are_right(tmp_path, in_small_files):
    code = (
        "import warnings; import numpy as np; warnings.simplefilter('always')\n"
        "from nlptl.encoders import cache\n"
        "cache._BLOCK = 4; limit(300)\n"
        "def encode(texts, total): return np.array([[len(t)] * 90 for t in texts], np.float32)\n"
        "found = cache.encode_through(cache.FeatureCache(sys.argv[1]),\n"
        "    ['x' * n for n in range(1, 13)], settings=lambda: {}, encode=encode)\n"
        "print(found[:, 0].astype(int).tolist())\n"
    )
    done = in_small_files(code, tmp_path)
    assert done.stdout.strip() == str([*range(1, 13)])
    assert done.stderr.count("Vectors are not kept: Cannot write") == 1


def test_a_flipped_bit_in_a_kept_vector_is_encoded_again_with_a_warning(tmp_path):
    cache, encoder = FeatureCache(tmp_path), Counter()
    encode(cache, ["a", "bb"], encoder)
    (path,) = tmp_path.rglob("*.rows")
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(2).tobytes(), 200) + 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="vectors in it changed on the disk"):
        found = encode(cache, ["a", "bb"], encoder)
    assert found[:, 0].tolist() == [1, 2]
    assert len(encoder.asked[1]) == 1
    encode(cache, ["a", "bb"], encoder)
    assert len(encoder.asked) == 2


def test_without_a_home_folder_vectors_are_not_kept(monkeypatch):
    def nowhere():
        raise StorageError("There is no folder for caches.")

    monkeypatch.setattr("nlptl.encoders.cache.cache_root", nowhere)
    with pytest.warns(UserWarning, match="Vectors are not kept: There is no folder"):
        assert encode(FeatureCache(), ["a"], Counter())[0, 0] == 1


def test_what_was_encoded_before_an_interruption_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("nlptl.encoders.cache._BLOCK", 2)

    class Interrupted(Counter):
        def __call__(self, texts, total):
            if len(self.asked) == 1:
                raise KeyboardInterrupt
            return super().__call__(texts, total)

    texts = ["a", "bb", "ccc", "dddd"]
    with pytest.raises(KeyboardInterrupt):
        encode(FeatureCache(tmp_path), texts, Interrupted())
    encoder = Counter()
    encode(FeatureCache(tmp_path), texts, encoder)
    assert sum(map(len, encoder.asked)) == 2


def test_a_cache_argument_may_be_a_folder_a_cache_auto_or_nothing(tmp_path):
    assert as_cache(None) is None
    assert as_cache("auto") == FeatureCache()
    assert as_cache(tmp_path) == FeatureCache(tmp_path)
    assert as_cache(FeatureCache(tmp_path)) == FeatureCache(tmp_path)
    with pytest.raises(ConfigError, match="cache=None"):
        FeatureCache(limit_gigabytes=0)


def test_the_text_itself_is_not_on_the_disk(tmp_path):
    encode(FeatureCache(tmp_path), ["a very private sentence"], Counter())
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"private" not in stored


@pytest.mark.slow
def test_two_processes_fill_one_cache_and_agree(tmp_path, tiny_encoder, monkeypatch):
    code = (
        "import sys; from nlptl import TransformerEncoder\n"
        "texts = [f'the parcel {i} came late' for i in range(int(sys.argv[3]), int(sys.argv[4]))]\n"
        "TransformerEncoder(sys.argv[1], cache=sys.argv[2]).transform(texts)\n"
    )
    spans = (("0", "60"), ("30", "90"))
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tiny_encoder), str(tmp_path), *span])
        for span in spans
    ]
    assert [process.wait() for process in running] == [0, 0]
    from nlptl import TransformerEncoder

    def forbidden(*given):
        raise AssertionError("a text was encoded again")

    texts = [f"the parcel {i} came late" for i in range(90)]
    with monkeypatch.context() as patched:
        patched.setattr(TransformerEncoder, "_encode", forbidden)
        kept = TransformerEncoder(tiny_encoder, cache=tmp_path).transform(texts)
    fresh = TransformerEncoder(tiny_encoder, cache=None).transform(texts)
    np.testing.assert_allclose(kept, fresh, atol=2e-2)


def test_a_series_is_read_by_place_not_by_label(tmp_path):
    texts = pd.Series(["one", "two two", "three three three"], index=[2, 0, 1])
    found = encode(FeatureCache(tmp_path), texts, Counter())
    again = encode(FeatureCache(tmp_path), texts.tolist(), Counter())
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(found, encode(None, texts.tolist(), Counter()))


def test_the_cache_can_be_left_out_for_a_while(tmp_path):
    with without_cache():
        assert as_cache(FeatureCache(tmp_path)) is None
        assert as_cache("auto") is None
    assert as_cache(tmp_path).folder == tmp_path


@pytest.mark.parametrize("cache", [False, True, ""])
def test_what_is_neither_a_folder_nor_none_is_refused(cache):
    with pytest.raises(ConfigError, match="use cache=None"):
        as_cache(cache)


def test_the_rows_of_a_table_are_encoded():
    table = pd.DataFrame({"text": ["one", "three"]})
    lengths = encode_through(
        None,
        table,
        settings=dict,
        encode=lambda texts, total: np.array([[len(text)] for text in texts], float),
    )
    assert lengths.ravel().tolist() == [3, 5]

import gzip
import struct

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors

from nlptl.base.errors import InputError
from nlptl.encoders.static.vector_formats import of_gensim, read_word_vectors

WORDS = ["the", "cat", "sat", "über"]
NUMBERS = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def keyed():
    made = KeyedVectors(6)
    made.add_vectors(WORDS, NUMBERS)
    return made


def text(header=True):
    rows = [f"{w} {' '.join(map(str, v))}" for w, v in zip(WORDS, NUMBERS, strict=True)]
    return ("\n".join([*(["4 6"] if header else []), *rows]) + "\n").encode()


def binary():
    rows = [w.encode() + b" " + v.tobytes() for w, v in zip(WORDS, NUMBERS, strict=True)]
    return b"4 6\n" + b"".join(rows)


FILES = {
    "word2vec.vec": text(),
    "word2vec.bin": binary(),
    "glove.txt": text(header=False),
    "word2vec.vec.gz": gzip.compress(text(), mtime=0),
    "word2vec.bin.gz": gzip.compress(binary(), mtime=0),
    "no-ending": text(header=False),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_found_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    found = read_word_vectors(tmp_path / name)
    assert found.words == WORDS
    np.testing.assert_allclose(found.vectors, NUMBERS, rtol=1e-6)
    assert found.subwords is None


def test_gensim_writes_what_is_read(tmp_path):
    for binary_ in (True, False):
        path = tmp_path / f"kv-{binary_}"
        keyed().save_word2vec_format(str(path), binary=binary_)
        np.testing.assert_allclose(read_word_vectors(path).vectors, NUMBERS, rtol=1e-6)


@pytest.fixture(scope="module")
def fasttext_file(tmp_path_factory):
    sentences = [["the", "cat", "sat", "on", "mats"], ["dogs", "sat", "too"]] * 20
    model = FastText(sentences, vector_size=6, min_count=1, epochs=1, bucket=100, seed=1, workers=1)
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    from gensim.models.fasttext import save_facebook_model

    save_facebook_model(model, str(path))
    return path


def test_fasttext_brings_its_subwords(fasttext_file):
    found = read_word_vectors(fasttext_file)
    assert "cat" in found.words
    assert found.subwords.vectors.shape == (100, 6)
    assert (found.subwords.shortest, found.subwords.longest) == (3, 6)


def damaged(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


LIE = b"900000000 300\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LIE + b"the 0.1 0.2\n", "declares 900000000 vectors of 300 numbers"),
        (LIE + b"the " + NUMBERS.tobytes(), "declares 900000000 vectors of 300 numbers"),
        (gzip.compress(LIE + b"the 0.1 0.2\n", mtime=0), "declares 900000000 vectors"),
        (binary()[:-9], "declares 4 vectors|is truncated"),
        (text()[: len(text()) // 2], "is truncated|declares"),
        (gzip.compress(text(), mtime=0)[:-20], "cannot be read|is truncated"),
        (b"\x80\x04\x95" + b"x" * 50, "is a pickled file.*save_word2vec_format"),
        (b"just a sentence, no vectors\nat all\n", "does not hold word vectors"),
        (b"", "does not hold word vectors"),
        (
            b"2 3\nthe 1 2 3\ncat 1 nan 3\n",
            "1 vectors with NaN or infinity, the first for the word 'cat'",
        ),
        (
            struct.pack("<2i12i", 793712314, 12, *([2**30] * 12)) + b"\0" * 40,
            "declares|must declare",
        ),
        (struct.pack("<i", 793712314) + b"xx", "is truncated in its header"),
    ],
)
def test_a_file_that_lies_or_breaks_off_is_refused(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        read_word_vectors(damaged(tmp_path, "vectors", content))


def test_a_lie_is_refused_before_memory_is_spent(tmp_path):
    import tracemalloc

    path = damaged(tmp_path, "v.gz", gzip.compress(LIE + b"the 0.1\n" * 1000, mtime=0))
    tracemalloc.start()
    with pytest.raises(InputError):
        read_word_vectors(path)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_pickle_of_gensim_is_never_opened(tmp_path):
    path = tmp_path / "model.kv"
    keyed().save(str(path))
    with pytest.raises(InputError, match="opening it could run code"):
        read_word_vectors(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no file of word vectors at '.*nothing.vec'"):
        read_word_vectors(tmp_path / "nothing.vec")


def test_words_with_spaces_inside_are_read_from_glove(tmp_path):
    rows = [f"{w} 0.5 1 -2" for w in ("the", ". . .", "at name@domain.com", "the")]
    found = read_word_vectors(damaged(tmp_path, "glove.txt", "\n".join(rows).encode()))
    assert found.words == ["the", ". . .", "at name@domain.com"]
    np.testing.assert_array_equal(found.vectors, [[0.5, 1, -2]] * 3)
    with pytest.raises(InputError, match="word 2 has 1 numbers, not 3"):
        read_word_vectors(damaged(tmp_path, "short.txt", b"the 1 2 3\ncat 1"))


def test_gensim_vectors_at_hand_keep_their_subwords_and_are_checked():
    trained = FastText([["cat", "dog"]] * 9, vector_size=4, min_count=1, bucket=50, epochs=1).wv
    assert of_gensim(trained, "these").subwords.vectors.shape == (50, 4)
    broken = keyed()
    broken.vectors[1] = np.nan
    with pytest.raises(InputError, match="these holds 1 vectors with NaN"):
        of_gensim(broken, "these")


@pytest.mark.parametrize("name", FILES)
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, name):
    content = FILES[name]
    marked = (
        gzip.compress(b"\xef\xbb\xbf" + gzip.decompress(content), mtime=0)
        if name.endswith(".gz")
        else b"\xef\xbb\xbf" + content
    )
    assert read_word_vectors(damaged(tmp_path, name, marked)).words == WORDS


def test_a_first_line_of_an_empty_word_is_no_header(tmp_path):
    found = read_word_vectors(damaged(tmp_path, "glove.txt", b" 1 2\nthe 3 4\n"))
    assert found.words == ["", "the"]


def test_a_word_with_a_space_may_follow_the_header(tmp_path):
    found = read_word_vectors(damaged(tmp_path, "v.vec", b"2 3\nnew york 1 2 3\nthe 4 5 6\n"))
    assert found.words == ["new york", "the"]


@pytest.mark.parametrize("content", [text(), binary(), gzip.compress(binary(), mtime=0)])
def test_more_words_than_the_header_promises_are_refused(tmp_path, content):
    zipped = content[:2] == b"\x1f\x8b"
    plain = (gzip.decompress(content) if zipped else content).replace(b"4 6", b"3 6", 1)
    path = damaged(tmp_path, "v", gzip.compress(plain, mtime=0) if zipped else plain)
    with pytest.raises(InputError, match="declares 3 words and there are more"):
        read_word_vectors(path)


def test_utf_16_is_named(tmp_path):
    with pytest.raises(InputError, match="is UTF-16.*iconv"):
        read_word_vectors(damaged(tmp_path, "v.txt", text().decode().encode("utf-16")))

"""Readers for files of word vectors. They check each header before they trust it."""

from __future__ import annotations

import gzip
import struct
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_FASTTEXT_MAGIC = 793712314
_MAX_WORD_BYTES = 10_000
_MAX_UNCHECKED_BYTES = 64 * 1024 * 1024
"""Below this declared size, a compressed file is not unpacked to check its size."""


@dataclass(frozen=True)
class Subwords:
    """Vectors of character n-grams, from which fastText builds vectors of unknown words.

    Attributes
    ----------
    vectors : ndarray of shape (n_buckets, dim)
        One vector per hash bucket.
    shortest, longest : int
        Lengths of the n-grams, in characters.
    """

    vectors: FloatArray
    shortest: int
    longest: int


@dataclass(frozen=True)
class WordVectors:
    """Content of a file of word vectors.

    Attributes
    ----------
    words : list of str
        Distinct words in the order of the file. Most files sort them by frequency.
    vectors : ndarray of shape (n_words, dim), float32
        One row per word.
    subwords : Subwords or None
        Vectors of character n-grams. Only a fastText binary file has them.
    """

    words: list[str]
    vectors: FloatArray
    subwords: Subwords | None = None


def read_word_vectors(path: Path) -> WordVectors:
    """Read word2vec (text or binary), GloVe text, or fastText (.vec or .bin), plain or gzip.

    The format is detected from the content. The size in the header is compared with the size of
    the file before memory is allocated.

    Raises
    ------
    InputError
        If the file does not exist, is pickled or truncated, declares a wrong size, or contains
        numbers that are not finite.
    """
    if not path.is_file():
        raise InputError(f"There is no file of word vectors at {str(path)!r}. Check the path.")
    head = _head(path)
    _refuse_pickle(path, head)
    reader = _choose_reader(path, head)
    try:
        return reader(path)
    except InputError:
        raise
    except (EOFError, ValueError, struct.error, OSError, UnicodeError, AssertionError) as problem:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise InputError(
            f"{str(path)!r} is truncated or damaged ({reason}). Download it again."
        ) from problem


def _choose_reader(path: Path, head: bytes) -> Callable[[Path], WordVectors]:
    if len(head) >= 4 and struct.unpack("<i", head[:4])[0] == _FASTTEXT_MAGIC:
        _check_fasttext_header(path, head)
        return _read_fasttext
    header = _header(head)
    if header is None:
        dim = _numbers_of_first_line(path, head)
        return lambda path: _read_text(path, dim, None)
    n_words, dim = header
    binary = not _first_row_is_text(head, dim)
    smallest = n_words * (4 * dim + 2 if binary else 2 * dim + 2)
    _check_declared_size(path, f"{n_words} vectors of {dim} numbers", smallest)
    read = _read_binary if binary else _read_text
    return lambda path: read(path, dim, n_words)


def of_gensim(loaded: KeyedVectors, name: str) -> WordVectors:
    """Convert gensim ``KeyedVectors``, including the n-grams of fastText if there are any.

    Raises
    ------
    InputError
        If there are no vectors, or a number is not finite.
    """
    subwords = None
    if hasattr(loaded, "vectors_ngrams"):
        subwords = Subwords(loaded.vectors_ngrams, int(loaded.min_n), int(loaded.max_n))
    return _checked(name, WordVectors(list(loaded.index_to_key), loaded.vectors, subwords))


def _read_binary(path: Path, dim: int, n_words: int) -> WordVectors:
    """Read the binary format of word2vec: a word, a space, and the bytes of its numbers.

    gensim silently ignores all words after the number of words in the header. This reader raises
    an error.
    """
    words: dict[str, None] = {}
    vectors = np.empty((n_words, dim), np.float32)
    with _opened(path) as file:
        file.readline()
        for index in range(n_words):
            word = _binary_word(file)
            content = file.read(4 * dim)
            if len(content) < 4 * dim:
                raise EOFError(f"{index} of {n_words} words")
            if word not in words:
                vectors[len(words)] = np.frombuffer(content, "<f4")
                words[word] = None
        if file.read(2).strip(b"\n"):
            raise ValueError(f"its header declares {n_words} words and there are more")
    return _checked(repr(str(path)), WordVectors(list(words), vectors[: len(words)]))


def _binary_word(file: BinaryIO) -> str:
    """Read a word up to the next space. A line break may end the previous vector."""
    word = bytearray()
    for letter in iter(lambda: file.read(1), b" "):
        word += letter
        if not letter or len(word) > _MAX_WORD_BYTES:
            raise EOFError("a word without an end")
    return word.lstrip(b"\n").decode("utf-8", "replace")


def _read_text(path: Path, dim: int, n_words: int | None) -> WordVectors:
    """Read one word per line: the last ``dim`` fields are its numbers, the rest is the word.

    gensim ends a word at its first space. It also fills a line with a single number up with copies
    of that number. This reader therefore splits the lines itself.
    """
    vectors: dict[str, FloatArray] = {}
    number = 0
    with _opened(path) as file:
        if n_words is not None:
            file.readline()
        for number, line in enumerate(islice(file, n_words), start=1):
            fields = line.rstrip().rsplit(b" ", dim)
            if len(fields) != dim + 1:
                raise ValueError(f"word {number} has {len(fields) - 1} numbers, not {dim}")
            word = fields[0].decode("utf-8", "replace")
            vectors.setdefault(word, np.array(fields[1:], dtype=np.float32))
        extra_line = next((line for line in file if line.strip()), None)
    if n_words is not None and number < n_words:
        raise EOFError(f"{number} of {n_words} words")
    if extra_line is not None:
        raise ValueError(f"its header declares {n_words} words and there are more")
    return _checked(repr(str(path)), WordVectors(list(vectors), np.array(list(vectors.values()))))


def _read_fasttext(path: Path) -> WordVectors:
    from gensim.models.fasttext import load_facebook_vectors

    return of_gensim(load_facebook_vectors(str(path)), repr(str(path)))


def _head(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            head = bytes(file.read(1 << 16))
    except (OSError, EOFError) as problem:
        raise InputError(
            f"{str(path)!r} cannot be read ({problem}). Download it again."
        ) from problem
    if head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise InputError(
            f"Expected a UTF-8 file, but {str(path)!r} is UTF-16. Convert it, for example: "
            "iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )
    return head


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, plain or gzip, and skip its byte-order mark."""
    opener: Any = gzip.open if _is_zipped(path) else open
    with opener(path, "rb") as file:
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        yield file


def _refuse_pickle(path: Path, head: bytes) -> None:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise InputError(
            f"{str(path)!r} is a pickled file (gensim .model or .kv). nlptl does not open pickled "
            "files, because opening it could run code. If you trust it, convert it once with "
            "gensim: "
            "KeyedVectors.load(OLD).save_word2vec_format('NEW.bin', binary=True) "
            "(for a Word2Vec model: Word2Vec.load(OLD).wv.save_word2vec_format(...))."
        )


def _header(head: bytes) -> tuple[int, int] | None:
    parts = head.split(b"\n", 1)[0].rstrip().split(b" ")  # a word may be empty: " 0.1 0.2"
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _first_row_is_text(head: bytes, dim: int) -> bool:
    row = head.split(b"\n", 2)[1] if head.count(b"\n") else b""
    numbers = row.rstrip().rsplit(b" ", dim)[1:]
    try:
        return bool([float(number) for number in numbers if number.strip()])
    except ValueError:
        return False


def _numbers_of_first_line(path: Path, head: bytes) -> int:
    line = head.split(b"\n", 1)[0]
    try:
        numbers = [float(part) for part in line.split(b" ")[1:]]
    except ValueError:
        numbers = []
    if len(numbers) < 2:
        shown = line[:40].decode("utf-8", "replace")
        raise InputError(
            "Expected a file in the format word2vec text or binary, GloVe text, or fastText .vec "
            f"or .bin, but {str(path)!r} does not hold word vectors: its first line is {shown!r}. "
            "Convert the file to one of these formats."
        )
    return len(numbers)


def _check_declared_size(path: Path, declared: str, smallest: int) -> None:
    """Check that the file can hold what its header declares."""
    size = path.stat().st_size
    if smallest > size and smallest > _MAX_UNCHECKED_BYTES:
        size = _size_unpacked(path, stop=smallest)
    if smallest > max(size, _MAX_UNCHECKED_BYTES) or (smallest > size and not _is_zipped(path)):
        raise InputError(
            f"The header of {str(path)!r} declares {declared}, at least {smallest} bytes, but the "
            f"file holds {size} bytes. It is truncated or damaged. Download it again."
        )


def _is_zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _size_unpacked(path: Path, *, stop: int) -> int:
    if not _is_zipped(path):
        return path.stat().st_size
    size = 0
    with gzip.open(path, "rb") as file:
        while size < stop and (block := file.read(1 << 20)):
            size += len(block)
    return size


def _check_fasttext_header(path: Path, head: bytes) -> None:
    # The header is the magic number and the version, then twelve int32: the first is dim, the
    # ninth is the number of n-gram buckets. One float64 and the dictionary follow. The dictionary
    # starts with its number of entries and its number of words, both int32.
    if len(head) < 76:
        raise InputError(f"{str(path)!r} is truncated in its header. Download it again.")
    arguments = struct.unpack("<12i", head[8:56])
    dim, buckets = arguments[0], arguments[8]
    entries, words = struct.unpack("<2i", head[64:72])
    declared = f"{words} words and {buckets} n-gram buckets of {dim} numbers"
    if min(dim, words, entries) < 1 or buckets < 0:
        raise InputError(
            f"The header of {str(path)!r} must declare positive sizes, got {declared}. Download it "
            "again."
        )
    _check_declared_size(path, declared, (words + buckets) * dim * 4)


def _checked(name: str, content: WordVectors) -> WordVectors:
    if not len(content.words):
        raise InputError(f"{name} holds no vectors. Download it again.")
    finite = np.isfinite(content.vectors).all(axis=1)
    if not finite.all():
        word = content.words[int(np.flatnonzero(~finite)[0])]
        raise InputError(
            f"{name} holds {int((~finite).sum())} vectors with NaN or infinity, the first for the "
            f"word {word!r}. Correct the file or train the vectors again."
        )
    return content

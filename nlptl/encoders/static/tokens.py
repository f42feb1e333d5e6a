"""Split texts into the tokens of a vector store and look up their vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import IntegrityError
from nlptl.base.words import (
    composed,
    lowered,
    token_splitter,
    tokens_cut_at_marks,
    without_joiners,
)
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.encoder_folder import check_patterns
from nlptl.encoders.static.vector_formats import Subwords
from nlptl.encoders.static.vector_store import VectorStore

_CONTRACTION = re.compile(r"(?i)(n['’]t|['’](?:s|re|ve|ll|d|m))$")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class TokenBatch:
    """Tokens of a list of texts. Each distinct token is stored once.

    Attributes
    ----------
    tokens : list of str
        The distinct tokens.
    vectors : ndarray of shape (n_tokens, dim), float32
        Vectors of the tokens. Zeros for a token without a vector.
    ranks : ndarray of shape (n_tokens,)
        Rows of the tokens in the store. -1 for a token outside the vocabulary.
    has_vector : ndarray of shape (n_tokens,), bool
        True for a token with a vector.
    places : ndarray of shape (n_running,)
        Index into ``tokens`` for each position of the running text.
    bounds : ndarray of shape (n_texts + 1,)
        Start and end of each text in ``places``.
    """

    tokens: list[str]
    vectors: FloatArray
    ranks: IntArray
    has_vector: AnyArray
    places: IntArray
    bounds: IntArray


@dataclass(frozen=True)
class Coverage:
    """Share of tokens and types with a vector, and the most frequent ones without a vector.

    Attributes
    ----------
    tokens : float
        Share of the running tokens that have a vector, from 0 to 1.
    types : float
        Share of the distinct tokens that have a vector, from 0 to 1.
    empty : int
        Number of texts without any known token.
    unknown : tuple of (str, int)
        The most frequent tokens without a vector, with their counts.
    """

    tokens: float
    types: float
    empty: int
    unknown: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        missing = ", ".join(f"{word} ({n})" for word, n in self.unknown[:5]) or "none"
        return (
            f"{self.tokens:.1%} of the tokens and {self.types:.1%} of the types are known; "
            f"most frequent unknown: {missing}"
        )


def tokenize(store: VectorStore, texts: Sequence[str], *, marks: bool = True) -> TokenBatch:
    """Split texts into tokens and look up their vectors.

    Parameters
    ----------
    store : VectorStore
    texts : sequence of str
    marks : bool
        True keeps letters and their combining marks together, and looks up composed spellings.
        False is for models of earlier versions, which split words at marks.
    """
    if store.tokenizer is not None:
        return _pieces(store, [composed(text) for text in texts] if marks else texts)
    return _words(store, texts, marks)


def coverage_of(batch: TokenBatch, *, most: int = 20) -> Coverage:
    """Compute the coverage of tokenized texts.

    Parameters
    ----------
    batch : TokenBatch
        The tokens of the texts.
    most : int
        Maximum number of unknown tokens to list.
    """
    counts = np.bincount(batch.places, minlength=len(batch.tokens))
    has_vector = batch.has_vector.astype(bool)
    unknown = np.flatnonzero(~has_vector)
    unknown = unknown[np.argsort(-counts[unknown], kind="stable")][:most]
    hits = np.concatenate([[0], np.cumsum(has_vector[batch.places])])
    per_text = hits[batch.bounds[1:]] - hits[batch.bounds[:-1]]
    return Coverage(
        tokens=float(counts[has_vector].sum() / max(counts.sum(), 1)),
        types=float(has_vector.mean()) if len(has_vector) else 0.0,
        empty=int((per_text == 0).sum()),
        unknown=tuple((batch.tokens[i], int(counts[i])) for i in unknown),
    )


def _pieces(store: VectorStore, texts: Sequence[str]) -> TokenBatch:
    tokenizer = piece_tokenizer(str(store.tokenizer))
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [entry.ids for entry in encoded]
    running = np.fromiter(chain.from_iterable(ids), dtype=np.int64)
    rows, places = np.unique(running, return_inverse=True)
    return TokenBatch(
        tokens=[store.tokens[row] for row in rows],
        vectors=np.asarray(store.vectors[rows]),
        ranks=rows,
        has_vector=np.ones(len(rows), dtype=bool),
        places=places,
        bounds=_bounds([len(entry) for entry in ids]),
    )


_TOKENIZERS: dict[str, Any] = {}


def piece_tokenizer(described: str) -> Any:
    """Return the tokenizer that a store describes. It is built once per process."""
    from tokenizers import Tokenizer

    if described not in _TOKENIZERS:
        tokenizer = Tokenizer.from_str(described)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        _TOKENIZERS[described] = tokenizer
    return _TOKENIZERS[described]


def check_pieces(store: VectorStore) -> None:
    """Check that the tokenizer of a store works, and that each of its tokens has a vector.

    Raises
    ------
    IntegrityError
        If the tokenizer fails, or a token has no vector.
    """
    if store.tokenizer is None:
        return
    with foreign_errors(f"The tokenizer of {store.name!r} is malformed", IntegrityError):
        tokenizer = piece_tokenizer(store.tokenizer)
        check_patterns(tokenizer, store.name)
        highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        _pieces(store, ["The order arrived late."])
    if highest >= len(store.vectors):
        raise IntegrityError(
            f"Each token needs a vector, but the tokenizer of {store.name!r} has the token id "
            f"{highest} and there are only {len(store.vectors)} vectors. Restore a copy."
        )


def _words(store: VectorStore, texts: Sequence[str], marks: bool) -> TokenBatch:
    split = token_splitter(texts) if marks else tokens_cut_at_marks
    row_of = store.row_of_spelling if marks else store.row_of
    tokens_of_word: dict[str, list[tuple[str, int]]] = {}
    order: dict[str, int] = {}
    ranks: list[int] = []
    places: list[int] = []
    sizes = []
    for text in texts:
        before = len(places)
        for word in split(text):
            if word not in tokens_of_word:
                tokens_of_word[word] = _look_up(row_of, word, marks)
            for token, rank in tokens_of_word[word]:
                if token not in order:
                    order[token] = len(ranks)
                    ranks.append(rank)
                places.append(order[token])
        sizes.append(len(places) - before)
    return _with_vectors(store, list(order), np.array(ranks, dtype=np.int64), places, sizes)


def _look_up(row_of: dict[str, int], word: str, marks: bool) -> list[tuple[str, int]]:
    """Look up a word as written, in other letter cases, with masked digits, or in two parts.

    With ``marks``, a word with letters outside ASCII is also looked up without its joiners.
    """
    masked, low = _DIGIT.sub("#", word), lowered(word) if marks else word.lower()
    forms = [word, word.lower(), word.capitalize(), word.upper(), masked]
    if marks and not word.isascii():
        forms += [low, without_joiners(word), without_joiners(low)]
    for form in forms:
        if form in row_of:
            return [(form, row_of[form])]
    ending = _CONTRACTION.search(word)
    if ending and ending.start():
        parts = (word[: ending.start()], ending.group().replace("’", "'"))
        return [pair for part in parts for pair in _look_up(row_of, part, marks)]
    return [(low, -1)]


def _with_vectors(
    store: VectorStore, tokens: list[str], ranks: IntArray, places: list[int], sizes: list[int]
) -> TokenBatch:
    has_vector = ranks >= 0
    vectors = np.zeros((len(tokens), store.dim), dtype=np.float32)
    vectors[has_vector] = store.vectors[ranks[has_vector]]
    if store.subwords is not None:
        for row in np.flatnonzero(~has_vector):
            vector = _from_subwords(tokens[row], store.subwords)
            if vector is not None:
                vectors[row], has_vector[row] = vector, True
    return TokenBatch(
        tokens, vectors, ranks, has_vector, np.array(places, dtype=np.int64), _bounds(sizes)
    )


def _from_subwords(word: str, subwords: Subwords) -> FloatArray | None:
    from gensim.models.fasttext import ft_ngram_hashes

    shortest, longest = subwords.shortest, subwords.longest
    buckets = ft_ngram_hashes(word, shortest, longest, len(subwords.vectors))
    if not len(buckets):
        return None
    mean: FloatArray = subwords.vectors[np.array(buckets)].mean(axis=0)
    return mean


def _bounds(sizes: list[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

"""Find texts that are equal or almost equal."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.inputs import Text
from nlptl.base.words import lowered, words_of

_PERMUTATIONS = 96
_BAND = 4
_LOW_BITS = 32
"""Number of bits of a product that are dropped, because they depend on few bits of the value."""

_MAX_COMPARED = 30
"""Size of a group of candidates up to which all its rows are compared."""


def exact_groups(texts: Sequence[Text]) -> list[list[int]]:
    """Return groups of row numbers with the same text, ignoring case and white space.

    Returns
    -------
    list of list of int
        Only groups of two or more, each in ascending order.

    Examples
    --------
    >>> exact_groups(["Hello  you", "bye", "hello you"])
    [[0, 2]]
    """
    rows: dict[Text, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        rows[folded(text)].append(row)
    return [group for group in rows.values() if len(group) > 1]


def folded(text: Text) -> Text:
    """Return a text in lower case and NFC, with single spaces."""
    if isinstance(text, str):
        return " ".join(lowered(text).split())
    return " ".join(lowered(text[0]).split()), " ".join(lowered(text[1]).split())


def near_pairs(texts: Sequence[Text], *, similarity: float = 0.8) -> list[tuple[int, int]]:
    """Return pairs of texts that share most of their word triples, but are not equal.

    Candidate pairs come from MinHash signatures that are split into bands [1]_. The similarity of
    each candidate pair is then computed exactly.

    Parameters
    ----------
    texts : sequence of length n
        Texts or pairs of texts. Texts of fewer than four words are ignored, because a single word
        would decide.
    similarity : float
        Minimum Jaccard similarity of the two sets of word triples, between 0 and 1.

    Returns
    -------
    list of (int, int)
        Row numbers, the smaller first, in ascending order.

    References
    ----------
    .. [1] Broder, "On the resemblance and containment of documents", SEQUENCES 1997.
    """
    sets = [_triples(text) for text in texts]
    same = {folded(text) for text in texts}
    keep = [row for row, triples in enumerate(sets) if len(triples) > 1]
    if len(keep) < 2 or len(same) < 2:
        return []
    pairs = sorted(_candidates(keep, _signatures([sets[row] for row in keep])))
    return [
        (first, second)
        for first, second in pairs
        if folded(texts[first]) != folded(texts[second])
        and _jaccard(sets[first], sets[second]) >= similarity
    ]


def rows_in(texts: Sequence[Text], others: Sequence[Text], *, similarity: float = 0.8) -> list[int]:
    """Return the rows of ``texts`` that are equal or almost equal to a text of ``others``.

    Parameters
    ----------
    texts, others : sequence of str or of (str, str)
    similarity : float
        As for ``near_pairs``.

    Returns
    -------
    list of int
        Row numbers in ascending order.

    Examples
    --------
    >>> rows_in(["Hello  you", "bye"], ["hello you"])
    [0]
    """
    other_texts = {folded(text) for text in others}
    equal = {row for row, text in enumerate(texts) if folded(text) in other_texts}
    sets = [_triples(text) for text in (*texts, *others)]
    keep = [row for row, triples in enumerate(sets) if len(triples) > 1 and row not in equal]
    if not keep:
        return sorted(equal)
    signatures = _signatures([sets[row] for row in keep])
    near = {
        row
        for row, other in _crossing(keep, signatures, len(texts))
        if _jaccard(sets[row], sets[other]) >= similarity
    }
    return sorted(equal | near)


def _crossing(keep: list[int], signatures: AnyArray, n_first: int) -> set[tuple[int, int]]:
    """Return candidate pairs of a row below ``n_first`` and one from ``n_first`` on."""
    pairs: set[tuple[int, int]] = set()
    for rows in _buckets(keep, signatures):
        first = [row for row in rows if row < n_first]
        second = [row for row in rows if row >= n_first]
        pairs.update((row, other) for row in first for other in second[:_MAX_COMPARED])
    return pairs


def _triples(text: Text) -> frozenset[int]:
    whole = text if isinstance(text, str) else " | ".join(text)
    words = words_of(lowered(whole))
    spans: Iterable[str] = (" ".join(words[i : i + 3]) for i in range(len(words) - 2))
    return frozenset(zlib.crc32(span.encode()) for span in spans)


def _signatures(sets: list[frozenset[int]]) -> AnyArray:
    rng = np.random.default_rng(0)
    # Large factors, so that the products wrap: otherwise small values would always be the minimum.
    factor = rng.integers(1 << 61, 1 << 62, _PERMUTATIONS, dtype=np.uint64) * 2 + 1
    shift = rng.integers(0, 1 << 63, _PERMUTATIONS, dtype=np.uint64)
    signatures = np.empty((len(sets), _PERMUTATIONS), dtype=np.uint64)
    for row, triples in enumerate(sets):
        values = np.fromiter(triples, dtype=np.uint64, count=len(triples))
        hashed = (values[:, None] * factor + shift) >> np.uint64(_LOW_BITS)
        signatures[row] = hashed.min(axis=0)
    return signatures


def _candidates(keep: list[int], signatures: AnyArray) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for rows in _buckets(keep, signatures):
        # A large bucket holds one repeated text: pairs of neighbouring rows are enough.
        reach = len(rows) if len(rows) <= _MAX_COMPARED else 2
        for i, first in enumerate(rows):
            pairs.update((first, second) for second in rows[i + 1 : i + reach])
    return pairs


def _buckets(keep: list[int], signatures: AnyArray) -> Iterator[list[int]]:
    """Yield groups of rows with the same part of their signatures."""
    for start in range(0, _PERMUTATIONS, _BAND):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for index, band in enumerate(signatures[:, start : start + _BAND]):
            buckets[band.tobytes()].append(keep[index])
        yield from buckets.values()


def _jaccard(first: frozenset[int], second: frozenset[int]) -> float:
    return len(first & second) / len(first | second)

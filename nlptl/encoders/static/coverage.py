"""How much of a text a set of word vectors knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nlptl.encoders.static.tokens import TokenBatch


@dataclass(frozen=True)
class Coverage:
    """Shares of known tokens and types, and what is missing most.

    Attributes
    ----------
    tokens : float
        Share of the running tokens that have a vector, from 0 to 1.
    types : float
        Share of the distinct tokens that have a vector, from 0 to 1.
    empty : int
        Texts without a single known token.
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


def coverage_of(batch: TokenBatch, *, most: int = 20) -> Coverage:
    """Measure coverage on tokenized texts.

    Parameters
    ----------
    batch : TokenBatch
        The tokens of the texts.
    most : int
        How many unknown tokens to name.
    """
    counts = np.bincount(batch.places, minlength=len(batch.tokens))
    known = batch.known.astype(bool)
    unknown = np.flatnonzero(~known)
    unknown = unknown[np.argsort(-counts[unknown], kind="stable")][:most]
    hits = np.concatenate([[0], np.cumsum(known[batch.places])])
    per_text = hits[batch.bounds[1:]] - hits[batch.bounds[:-1]]
    return Coverage(
        tokens=float(counts[known].sum() / max(counts.sum(), 1)),
        types=float(known.mean()) if len(known) else 0.0,
        empty=int((per_text == 0).sum()),
        unknown=tuple((batch.tokens[i], int(counts[i])) for i in unknown),
    )

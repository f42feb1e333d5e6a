"""Translation retrieval: how often the nearest sentence is the translation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import normalize

from nlptl.base.protocols import Encoder
from nlptl.data.languages.parallel import ParallelText
from nlptl.encoders.bilingual.retrieval import share_found


@dataclass(frozen=True)
class Retrieval:
    """Accuracy of translation retrieval: how often the nearest sentence is the translation.

    Attributes
    ----------
    to_source, to_target : float
        Share of the rows, from 0 to 1, for which the search succeeds: from translations to
        source sentences, and from source sentences to translations.
    rows : int
        Number of pairs.
    """

    to_source: float
    to_target: float
    rows: int

    @property
    def mean(self) -> float:
        """Mean of both directions."""
        return (self.to_source + self.to_target) / 2


def retrieval(encoder: Encoder, pairs: ParallelText) -> dict[str, Retrieval]:
    """Measure for each language how often the nearest sentence is the translation.

    Sentences with the same text count as the same sentence.
    """
    scores = {}
    for language in sorted(set(pairs.languages)):
        rows = np.flatnonzero(np.array(pairs.languages) == language)
        part = pairs.take(rows)
        left, right = (normalize(encoder.transform(side)) for side in (part.source, part.target))
        scores[language] = Retrieval(
            share_found(right, left, part.source), share_found(left, right, part.target), len(part)
        )
    return scores

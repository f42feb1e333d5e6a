"""Extra training rows that are edited copies of the labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class WordEdits(Transfer):
    """Add copies of the labelled texts in which a few words are deleted or swapped [1]_.

    Combine it with ``Frozen`` or ``Contrastive``. On some tasks the copies help a head with few
    rows, on others they hurt. ``Auto`` tries them before it uses them.

    Parameters
    ----------
    copies : int
        Number of copies per text.
    share : float
        Share of the words that are deleted, and share of the words that are swapped with the next
        word; above 0 and below 1.

    References
    ----------
    .. [1] Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
       Classification Tasks", EMNLP 2019, arXiv:1901.11196.
    """

    copies: int = 2
    share: float = 0.1

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "numbers"})
    paper: ClassVar[str] = "Wei and Zou 2019, arXiv:1901.11196"

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ConfigError(f"copies must be at least 1, got {self.copies}.")
        if not 0 < self.share < 1:
            raise ConfigError(f"share must be above 0 and below 1, got {self.share}.")

    def edited(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """Return the first copies of all texts, then the second copies, and so on.

        Examples
        --------
        >>> WordEdits(copies=1, share=0.3).edited(["one two three four", "five"], seed=1)
        ['one two four three', 'five']
        """
        rng = np.random.default_rng(seed)
        return [self._copy(text, rng) for _ in range(self.copies) for text in texts]

    def _copy(self, text: str, rng: np.random.Generator) -> str:
        words = text.split()
        for index in np.flatnonzero(rng.random(max(len(words) - 1, 0)) < self.share):
            words[index], words[index + 1] = words[index + 1], words[index]
        remaining = [word for word in words if rng.random() >= self.share]
        return " ".join(remaining or words)

"""Unlabelled rows as extra training rows, with labels that the model predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class SelfTraining(Transfer):
    """Label unlabelled texts with the model and train its head on the most confident ones [1]_.

    Pass the texts to ``fit`` as ``unlabeled``. Combine it with ``Frozen`` or ``Contrastive``. It
    can make a model more confident in its mistakes, so ``Auto`` tries it before it uses it.
    Together with ``LabelMeaning`` it needs no labelled text: the class names give the first
    labels.

    Parameters
    ----------
    share : float
        Share of the texts of each predicted class that are used, the most confident first; above 0
        and at most 1.
    weight : float
        Weight of all these texts together, relative to all labelled rows; above 0. Without
        labelled rows, weight of each text relative to a class name.
    rounds : int
        Number of times that the model labels the texts and its head is fitted again.

    References
    ----------
    .. [1] Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods",
       ACL 1995.
    """

    share: float = 0.5
    weight: float = 1.0
    rounds: int = 1

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "unlabeled"})
    paper: ClassVar[str] = "Yarowsky 1995, ACL"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share must be above 0 and at most 1, got {self.share}.")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}.")

    def most_confident(self, probabilities: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the most confident rows of each predicted class.

        Rows are chosen per class, so that classes that are hard to predict keep some rows.

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_classes)

        Returns
        -------
        rows, codes : ndarray
            Chosen row numbers in ascending order, and the predicted class of each.

        Examples
        --------
        >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> rows, codes = SelfTraining(share=0.5).most_confident(probabilities)
        >>> rows.tolist(), codes.tolist()
        ([0, 2], [0, 1])
        """
        codes, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        chosen = []
        for code in np.unique(codes):
            members = np.flatnonzero(codes == code)
            n_chosen = int(np.ceil(self.share * len(members)))
            chosen.append(members[np.argsort(-confidence[members], kind="stable")[:n_chosen]])
        rows = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
        return rows, codes[rows]

"""Rows without labels, labelled by the model that learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class SelfTraining(Transfer):
    """The model labels texts that have no label, and its head learns from the surest of them [1]_.

    The texts are given to ``fit`` as ``unlabeled``. It stands beside ``Frozen`` or ``Contrastive``,
    and can make a model surer of its mistakes: ``Auto`` tries it before it uses it. Beside
    ``LabelMeaning`` it needs no labelled text: the names of the classes begin.

    Parameters
    ----------
    share : float
        Of the texts that the model puts in a class, the surest are taken up to this share, above 0
        and at most 1.
    weight : float
        What all texts taken count together, measured against all labelled rows; above 0. Where
        no row is labelled, what each text counts, measured against a name.
    rounds : int
        How often texts are labelled anew.

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
            raise ConfigError(f"share must lie above 0 and at most at 1, got {self.share}.")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}.")

    def surest(self, probabilities: FloatArray) -> tuple[IntArray, IntArray]:
        """Choose rows, class by class, so that no class is crowded out by an easier one.

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_classes)

        Returns
        -------
        rows, codes : ndarray
            The rows chosen, in their order, and the class of each.

        Examples
        --------
        >>> given = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> rows, codes = SelfTraining(share=0.5).surest(given)
        >>> rows.tolist(), codes.tolist()
        ([0, 2], [0, 1])
        """
        codes, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
        taken = []
        for code in np.unique(codes):
            own = np.flatnonzero(codes == code)
            most = int(np.ceil(self.share * len(own)))
            taken.append(own[np.argsort(-sure[own], kind="stable")[:most]])
        rows = np.sort(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.int64)
        return rows, codes[rows]

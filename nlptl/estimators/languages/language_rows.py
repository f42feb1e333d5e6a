"""Labelled texts with the language of each, and row weights that balance the languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.columns import as_list
from nlptl.data.labels import are_lists, as_values, values_at
from nlptl.data.rows import Rows, as_rows
from nlptl.data.splits import group_split, stratified_split
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.evaluation.intervals import Figure
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import in_subfolder


@dataclass(frozen=True, eq=False)
class LanguageRows:
    """Texts with their labels and languages.

    Attributes
    ----------
    rows : Rows
    labels : list
    languages : ndarray of str of shape (n,)
    """

    rows: Rows
    labels: list[object]
    languages: AnyArray

    @classmethod
    def read(cls, texts: TextsLike, labels: LabelsLike, languages: Sequence[str]) -> LanguageRows:
        """Read the input of ``LanguageClassifier.fit``.

        Raises
        ------
        InputError
            If lengths differ, or a text has several labels.
        """
        rows, values = as_rows(texts), as_values(labels)
        names = np.array([str(language) for language in as_list(languages, what="languages")])
        if are_lists(values):
            raise InputError(
                "LanguageClassifier needs one label per text, got several labels per text. "
                "Use TextClassifier for several labels."
            )
        if not len(rows) == len(values) == len(names):
            raise InputError(
                f"Each text needs a label and a language, got {len(rows)} texts, {len(values)} "
                f"labels and {len(names)} languages. Pass one of each per text."
            )
        return cls(rows, list(values), names)

    def take(self, indices: IntArray) -> LanguageRows:
        """Return the rows at these indices."""
        labels = list(values_at(self.labels, indices))
        return LanguageRows(self.rows.take(indices), labels, self.languages[indices])

    def of(self, language: str, within: IntArray) -> LanguageRows:
        """Return the rows of one language among the rows at the indices ``within``."""
        return self.take(within[self.languages[within] == language])

    def checked_items(self, items: Iterable[object]) -> list[object]:
        """Return the group of each row.

        Raises
        ------
        InputError
            If there is not one group per row.
        """
        groups = as_list(items, what="items")
        if len(groups) != len(self.rows):
            raise InputError(
                f"Each text needs one item, got {len(self.rows)} texts and {len(groups)} items. "
                "Pass one item per text, or leave items out."
            )
        return groups

    def split(
        self, test_share: float, *, seed: int, items: list[object] | None = None
    ) -> tuple[IntArray, IntArray]:
        """Return the indices of training rows and of test rows.

        Rows of the same group are not separated. Without groups, languages and labels have the
        same shares in both. A share of 0 leaves no test rows.
        """
        if not test_share:
            return np.arange(len(self.rows)), np.arange(0)
        if items is not None:
            return group_split(items, test_share=test_share, seed=seed)
        languages_and_labels = zip(self.languages, self.labels, strict=True)
        strata = [f"{language}\0{label}" for language, label in languages_and_labels]
        return stratified_split(strata, test_share=test_share, seed=seed)

    def accuracy_of(self, model: TextClassifier) -> Figure:
        """Return a function from row numbers to the accuracy of a model on these rows."""
        codec = model.fitted_.codec
        truth = codec.encode(self.labels, allow_unseen=True)
        correct = codec.encode(model.predict(self.rows)) == truth

        def accuracy_on(sample: IntArray) -> float:
            return float(correct[sample].mean())

        return accuracy_on

    def fit(self, model: TextClassifier, name: str, *, temperature: float | None) -> TextClassifier:
        """Fit a model to the rows.

        Parameters
        ----------
        model : TextClassifier
            Unfitted model. It is changed.
        name : str
            Name of the rows. The checkpoints of each name have a folder of their own.
        temperature : float or None
            Balances the languages by row weights. None gives all rows the same weight.
        """
        if model.training is not None:
            model.training = in_subfolder(model.training, fingerprint(name)[:12])
        weights = None if temperature is None else language_weights(self.languages, temperature)
        return model.fit(self.rows, self.labels, sample_weight=weights)


def language_weights(languages: AnyArray, temperature: float) -> FloatArray:
    """Return row weights that balance the languages, of shape (n,) and with mean 1.

    The total weight of a language is proportional to its size to the power of 1 / temperature.

    Examples
    --------
    >>> language_weights(np.array(["en"] * 4 + ["fi"]), 2.0).round(2).tolist()
    [0.83, 0.83, 0.83, 0.83, 1.67]
    """
    _, codes, sizes = np.unique(languages, return_inverse=True, return_counts=True)
    shares = sizes ** (1 / temperature)
    shares = shares / shares.sum()
    return np.asarray((shares / sizes)[codes] * len(codes), np.float64)

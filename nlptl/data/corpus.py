"""Additional texts for training: other domains, other languages, unlabelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.audit.duplicates import rows_in
from nlptl.data.columns import as_list, read_once, refuse_unordered
from nlptl.data.labels import as_values, values_at
from nlptl.data.rows import Rows, as_rows


class Corpus:
    """Labelled or unlabelled texts that ``fit`` uses in addition to the training rows.

    A corpus has no ``len()`` on purpose. scikit-learn slices every argument of ``fit`` that is as
    long as the training set, and would silently cut a source corpus of that length.

    Parameters
    ----------
    texts : list, array, Series, column, DataFrame or Dataset
        Texts or pairs of texts.
    labels : sequence, optional
        One label per text, or None for unlabelled texts.
    name, domain, language : str, optional
        Description of the corpus for reports.

    Attributes
    ----------
    n_removed : int
        Number of texts that ``without`` removed.

    Raises
    ------
    InputError
        If a text is missing, or the number of labels differs from the number of texts.
    """

    def __init__(
        self,
        texts: TextsLike,
        labels: LabelsLike | None = None,
        *,
        name: str | None = None,
        domain: str | None = None,
        language: str | None = None,
    ) -> None:
        self.rows: Rows = as_rows(texts)
        self.labels = read_once(labels)
        self.n_removed = 0
        self.name = name
        self.domain = domain
        self.language = language
        n_labels = len(self.rows) if labels is None else _length(self.labels)
        if n_labels != len(self.rows):
            raise InputError(
                f"Each text of {self.title} needs one label, got {len(self.rows)} texts and "
                f"{n_labels} labels. Pass one label per text, or labels=None."
            )

    def without(self, texts: TextsLike) -> Corpus:
        """Return this corpus without the texts that also occur in another split.

        Almost equal texts are removed as well: those that share at least 80 % of their word
        triples. Use it on unlabelled texts before training, so that no text of a test set is
        trained on.

        Parameters
        ----------
        texts : list, array, Series, column, DataFrame or Dataset
            Texts of the other split, such as a test set.

        Returns
        -------
        Corpus
            Its ``n_removed`` is the number of texts that were removed.

        Examples
        --------
        >>> pool = Corpus(["a good film", "a dull book"]).without(["A good  film"])
        >>> pool.size, pool.n_removed
        (1, 1)
        """
        removed = set(rows_in(self.rows.texts, as_rows(texts, keep_blank=True).texts))
        kept = np.array([row for row in range(self.size) if row not in removed], dtype=np.int64)
        labels = None if self.labels is None else values_at(as_values(self.labels), kept)
        corpus = Corpus(
            self.rows.take(kept),
            labels,
            name=self.name,
            domain=self.domain,
            language=self.language,
        )
        corpus.n_removed = self.n_removed + len(removed)
        return corpus

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.rows)

    @property
    def title(self) -> str:
        """Name of the corpus for use in a sentence."""
        return f"corpus {self.name!r}" if self.name else "the corpus"

    def __repr__(self) -> str:
        labelled = "labelled" if self.labels is not None else "unlabelled"
        return f"<Corpus {self.name or 'without a name'}: {self.size} {labelled} texts>"


CorpusLike: TypeAlias = Corpus | dict[str, Corpus]
"""One corpus, or several with their names."""


def _length(labels: object) -> int:
    """Return the number of labels; a matrix or table of zeros and ones counts its rows."""
    refuse_unordered(labels, "labels")
    shape = getattr(labels, "shape", None)
    return int(shape[0]) if shape else len(as_list(labels))


def read_corpora(arguments: Mapping[str, object]) -> dict[str, dict[str, Corpus]]:
    """Read the arguments of ``fit`` that are corpora, by name, as ``as_corpora`` does."""
    return {name: as_corpora(corpora, argument=name) for name, corpora in arguments.items()}


def as_corpora(corpora: object, *, argument: str) -> dict[str, Corpus]:
    """Read an argument of ``fit`` that is a corpus, a dict of corpora, or None.

    Raises
    ------
    InputError
        If it is anything else, for example a plain list of texts.
    """
    if corpora is None:
        return {}
    if isinstance(corpora, Corpus):
        return {corpora.name or argument: corpora}
    if isinstance(corpora, dict) and all(isinstance(value, Corpus) for value in corpora.values()):
        return dict(corpora)
    raise InputError(
        f"{argument} must be a Corpus or a dict of them, got {type(corpora).__name__}. "
        f"Write {argument}=Corpus(texts, labels)."
    )

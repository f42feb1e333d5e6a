"""Text beside the labelled rows: other domains, other languages, text without labels."""

from __future__ import annotations

from typing import Any

from nlptl.base.errors import InputError
from nlptl.data.columns import as_list, read_once, refuse_unordered
from nlptl.data.rows import Rows, as_rows


class Corpus:
    """Texts, with or without labels, that ``fit`` takes beside the labelled rows.

    It has no length on purpose: scikit-learn slices every argument of ``fit`` that is as long as
    the training set, and would silently cut a source corpus that happens to be.

    Parameters
    ----------
    texts : list, array, Series, column, DataFrame or Dataset
        Texts or pairs of texts.
    labels : sequence, optional
        One label a text, or None for text without labels.
    name, domain, language : str, optional
        What the corpus is, for reports.

    Raises
    ------
    InputError
        If a text is missing, or there is not one label a text.
    """

    def __init__(
        self,
        texts: Any,
        labels: Any = None,
        *,
        name: str | None = None,
        domain: str | None = None,
        language: str | None = None,
    ) -> None:
        self.rows: Rows = as_rows(texts)
        self.labels = read_once(labels)
        self.name = name
        self.domain = domain
        self.language = language
        n_labels = len(self.rows) if labels is None else _length(self.labels)
        if n_labels != len(self.rows):
            raise InputError(
                f"Each text of {self.title} needs one label, got {len(self.rows)} texts and "
                f"{n_labels} labels."
            )

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self.rows)

    @property
    def title(self) -> str:
        """What to call the corpus in a sentence."""
        return f"corpus {self.name!r}" if self.name else "the corpus"

    def __repr__(self) -> str:
        labelled = "labelled" if self.labels is not None else "unlabelled"
        return f"<Corpus {self.name or 'without a name'}: {self.size} {labelled} texts>"


def _length(labels: Any) -> int:
    """Return the number of labels; rows of zeros and ones may be a sparse matrix or a table."""
    refuse_unordered(labels, "labels")
    shape = getattr(labels, "shape", None)
    return int(shape[0]) if shape else len(as_list(labels))


def as_corpora(given: Any, *, argument: str) -> dict[str, Corpus]:
    """Read an argument of ``fit`` that is a corpus, a dict of them, or None.

    Raises
    ------
    InputError
        If it is anything else, for example a bare list of texts.
    """
    if given is None:
        return {}
    if isinstance(given, Corpus):
        return {given.name or argument: given}
    if isinstance(given, dict) and all(isinstance(value, Corpus) for value in given.values()):
        return dict(given)
    raise InputError(
        f"{argument} must be a Corpus or a dict of them, got {type(given).__name__}. "
        f"Write {argument}=Corpus(texts, labels)."
    )

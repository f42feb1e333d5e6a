"""TF-IDF encoder: word counts of the target texts alone, without any transfer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from typing_extensions import Self

from nlptl.base.arrays import Groups
from nlptl.base.described import checked, make
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import JsonObject
from nlptl.base.specs import Spec, pipeline_step
from nlptl.base.words import lowered, words_of
from nlptl.data.rows import text_list
from nlptl.storage.tensors import check_array, load_arrays, save_arrays
from nlptl.storage.untrusted import MAX_JSON_BYTES, MAX_JSON_VALUES, read_json

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

_WORDS = "words.json"
_IDF = "idf.safetensors"
_VALUES_PER_TERM = 3
"""Maximum number of JSON values per term in a stored vocabulary."""
_MAX_BYTES_PER_TERM = 1_000
"""Mean size of a term in bytes. Without spaces between words, a term can be a whole clause."""


@pipeline_step
@dataclass(frozen=True)
class TfidfEncoder(Spec):
    """Encoder with TF-IDF weighted counts of words and word pairs: the baseline without transfer.

    Parameters
    ----------
    longest : int
        Maximum length of an n-gram, in words.
    most_terms : int
        Maximum number of terms. The most frequent terms are kept.
    """

    longest: int = 2
    most_terms: int = 50_000
    fitted: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.longest < 1 or self.most_terms < 1:
            raise ConfigError(
                f"TfidfEncoder needs longest >= 1 and most_terms >= 1, got "
                f"longest={self.longest}, most_terms={self.most_terms}."
            )

    def fit(self, texts: Sequence[str], y: object = None) -> Self:
        """Fit the vocabulary and the IDF weights.

        Raises
        ------
        InputError
            If no text contains a word.
        """
        vectorizer, texts = self._vectorizer(), text_list(texts)
        try:
            vectorizer.fit(texts)
        except ValueError as problem:
            message = (
                f"TfidfEncoder needs words to count, but none of the {len(texts)} texts contains a "
                "word. Check the texts."
            )
            if not len(texts):
                message = "TfidfEncoder is fitted on texts, got 0 texts. Pass at least one text."
            raise InputError(message) from problem
        return type(self)(self.longest, self.most_terms, vectorizer)

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Encode texts into a sparse matrix of shape (n, n_terms).

        Raises
        ------
        InputError
            If the encoder is not fitted yet.
        """
        if self.fitted is None:
            raise InputError(
                "TfidfEncoder is not fitted. Use the encoder that fit(texts) returns, or "
                "fit_transform(texts)."
            )
        if not len(texts):
            return sparse.csr_matrix((0, len(self.fitted.vocabulary_)), dtype=np.float32)
        return sparse.csr_matrix(self.fitted.transform(text_list(texts)), dtype=np.float32)

    @property
    def learns_from_text(self) -> bool:
        """True: ``fit`` computes the vocabulary and its weights from texts."""
        return True

    @property
    def groups(self) -> Groups:
        """One column group with all terms."""
        return (("terms", 0 if self.fitted is None else len(self.fitted.vocabulary_)),)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write vocabulary and weights into a folder and return the settings as plain JSON."""
        terms = sorted(self.fitted.vocabulary_, key=self.fitted.vocabulary_.__getitem__)
        (folder / _WORDS).write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")
        save_arrays(folder / _IDF, {"idf": self.fitted.idf_})
        options = {"longest": self.longest, "most_terms": self.most_terms}
        return {**options, "keeps_marks": self.fitted.tokenizer is not None}

    @classmethod
    def load(cls, folder: Path, described: JsonObject) -> Self:
        """Load what ``save`` wrote."""
        options = dict(described)
        # Earlier versions split words at combining marks and did not write this entry.
        keeps_marks = checked(options.pop("keeps_marks", False), bool, "keeps_marks")
        empty = make(cls, options)
        idf = load_arrays(folder / _IDF)["idf"]
        check_array("idf", idf, (idf.size,))
        limit = max(MAX_JSON_VALUES, _VALUES_PER_TERM * len(idf))
        n_bytes = max(MAX_JSON_BYTES, _MAX_BYTES_PER_TERM * len(idf))
        content = read_json(folder / _WORDS, max_values=limit, max_bytes=n_bytes)
        terms = checked(content, list[str], _WORDS)
        vocabulary = {term: column for column, term in enumerate(terms)}
        if not len(vocabulary) == len(terms) == len(idf):
            raise ValueError(f"{len(vocabulary)} different terms with {len(idf)} weights")
        vectorizer = empty._vectorizer(vocabulary, keeps_marks=keeps_marks)
        vectorizer.idf_ = idf
        return replace(empty, fitted=vectorizer)

    def _vectorizer(
        self, vocabulary: dict[str, int] | None = None, *, keeps_marks: bool = True
    ) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        splitting: dict[str, Any] = {"token_pattern": r"(?u)\b\w+\b"}
        if keeps_marks:
            splitting = {"preprocessor": lowered, "tokenizer": words_of, "token_pattern": None}

        return TfidfVectorizer(
            ngram_range=(1, self.longest),
            max_features=self.most_terms,
            sublinear_tf=True,
            vocabulary=vocabulary,
            **splitting,
        )

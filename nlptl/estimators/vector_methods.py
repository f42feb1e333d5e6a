"""Methods that show the vectors of texts, for all text models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

from nlptl.base.inputs import TextsLike
from nlptl.base.protocols import Features
from nlptl.data.corpus import Corpus
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.encoders.static.tokens import Coverage
from nlptl.evaluation.nearest_rows import nearest_rows
from nlptl.fitting.fitted import FittedModel

if TYPE_CHECKING:
    import pandas as pd


class VectorMethods:
    """Vectors of texts, and the rows of a corpus that are nearest to them.

    Attributes
    ----------
    fitted_ : FittedModel
        The fitted model.
    """

    fitted_: FittedModel

    def coverage(self, texts: TextsLike) -> Coverage | None:
        """Return the share of the words in the texts that have a word vector.

        Returns
        -------
        Coverage or None
            None if the encoder can read every text, as transformers and distilled vectors do.
        """
        check_is_fitted(self)
        encoder = self.fitted_.features.encoder
        if not isinstance(encoder, StaticEncoder) or encoder.is_complete:
            return None
        rows = self.fitted_.rows(texts)
        return encoder.coverage([str(text) for side in rows.sides for text in side.texts])

    def embed(self, texts: TextsLike) -> Features:
        """Return the vectors of texts that the head reads, for search and clustering.

        Returns
        -------
        ndarray or csr_matrix of shape (n, n_features)
            In the order of the texts. Word counts are sparse.

        Raises
        ------
        InputError
            If the texts cannot be used.
        """
        check_is_fitted(self)
        return self.fitted_.features.transform(self.fitted_.rows(texts))

    def neighbours(self, texts: TextsLike, among: Corpus, *, n: int = 5) -> pd.DataFrame:
        """Return the rows of a corpus that are most similar to texts.

        Parameters
        ----------
        texts
            Texts, as for ``predict``.
        among : Corpus
            Rows to search, usually the training rows: ``Corpus(texts, labels)``.
        n : int
            Number of rows per text. A smaller corpus gives all its rows.

        Returns
        -------
        DataFrame
            The rows of each text, the most similar first. Columns: ``query`` (the number of the
            text), ``row`` (that of the row in the corpus), the cosine ``similarity`` of the vectors
            of ``embed``, the ``label`` if there are labels, and ``text`` (or ``first`` and
            ``second``).

        Raises
        ------
        InputError
            If the texts or the corpus cannot be used, or ``n`` is below 1.
        """
        return nearest_rows(self.embed, texts, among, n=n)

"""The rows of a corpus whose vectors are nearest to those of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.errors import InputError
from nlptl.base.inputs import TextsLike
from nlptl.base.protocols import Features
from nlptl.data.corpus import Corpus
from nlptl.data.labels import as_values, values_at

if TYPE_CHECKING:
    import pandas as pd


def nearest_rows(
    embed: Callable[[TextsLike], Features], texts: TextsLike, among: Corpus, *, n: int
) -> pd.DataFrame:
    """Return the most similar rows of a corpus for each text.

    Parameters
    ----------
    embed : callable
        Returns the vectors (n_texts, n_features) of texts.
    texts
        The texts.
    among : Corpus
        The rows to search.
    n : int
        Number of rows per text. A smaller corpus gives all its rows.

    Returns
    -------
    DataFrame
        n rows per text, the most similar first. Columns: ``query`` (the number of the text),
        ``row`` (that of the row in the corpus), the cosine ``similarity``, ``label`` if there are
        labels, and ``text`` (or ``first`` and ``second``) of the row.

    Raises
    ------
    InputError
        If ``n`` is below 1.
    """
    import pandas as pd
    from sklearn.neighbors import NearestNeighbors

    if n < 1:
        raise InputError(f"neighbours needs n of at least 1, got {n}. Pass n=5.")
    n = min(n, among.size)
    finder = NearestNeighbors(n_neighbors=n, metric="cosine").fit(embed(among.rows))
    distances, nearest = finder.kneighbors(embed(texts))
    rows = nearest.ravel()
    labels = {} if among.labels is None else {"label": values_at(as_values(among.labels), rows)}
    columns = {
        "query": np.repeat(np.arange(len(nearest)), n),
        "row": rows,
        "similarity": (1 - distances.ravel()).round(4),
        **{name: list(part) for name, part in labels.items()},
        **among.rows.take(rows).text_columns(),
    }
    table: pd.DataFrame = pd.DataFrame(columns)
    return table

"""Predict batches of columns, for engines that distribute tables over machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import InputError
from nlptl.base.suggestions import suggest
from nlptl.data.tables.reading import texts_of
from nlptl.encoders.cache import without_cache
from nlptl.estimators.bulk.answered_rows import answers, check_columns, text_columns
from nlptl.estimators.loading import load_any, load_predictor


class BatchPredictor:
    """Predict the rows of a batch with a saved model, which is loaded with the first batch.

    Engines such as Ray Data create one object per worker and call it with each batch. The object
    can be pickled: only the path of the model is sent to a worker.

    Parameters
    ----------
    model : str or Path
        Folder of a saved model or of an exported graph, or its name on the Hub. Every worker
        reads it.
    text_column : str or sequence of str
        One column, or two columns for pairs. Empty is the columns that the model was trained on,
        or ``"text"``.

    Examples
    --------
    >>> predictor = BatchPredictor("model")
    >>> predictor({"text": ["very good", "so bad"]})  # doctest: +SKIP
    """

    def __init__(self, model: str | Path, text_column: str | Sequence[str] = ()) -> None:
        self.model = str(model)
        self.text_column = [text_column] if isinstance(text_column, str) else list(text_column)
        self._loaded: Any = None

    def __call__(self, batch: Mapping[str, Any] | pd.DataFrame) -> dict[str, Any] | pd.DataFrame:
        """Return the batch with the columns ``predicted`` and, for classes, ``probability``.

        Parameters
        ----------
        batch : DataFrame, or dict of column name to sequence of n values

        Returns
        -------
        DataFrame or dict of str to ndarray of shape (n,)
            The columns of the batch and the new ones. A cascade also adds ``passed_on``.

        Raises
        ------
        InputError
            If a text column is missing, a text cannot be used, or the batch has a column
            ``predicted`` already.
        StorageError
            If there is no such model.
        """
        if self._loaded is None:
            self._loaded = load_predictor(self.model) or load_any(self.model)
        names = text_columns(self._loaded, self.text_column)
        check_columns(pd.DataFrame(columns=list(batch)), self._loaded)
        for name in names:
            if name not in batch:
                raise InputError(
                    f"The batch has no column {name!r}. {suggest(name, [str(n) for n in batch])}"
                )
        table = pd.DataFrame({name: list(batch[name]) for name in names})
        with without_cache():
            added = answers(self._loaded, texts_of(table, names)) if len(table) else {}
        if isinstance(batch, pd.DataFrame):
            columns = {name: _array(values) for name, values in added.items()}
            scored: pd.DataFrame = batch.assign(**columns)
            return scored
        return {**batch, **{name: _array(values) for name, values in added.items()}}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}


def _array(values: list[Any]) -> AnyArray:
    """Return values as an array (n,). Labels of different kinds and tuples become objects."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and not kinds & {tuple, list}:
        return np.array(values)
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects

"""Compute features of rows with all processes of a launch."""

from __future__ import annotations

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.data.rows import Rows
from nlptl.training.processes import gather_rows, own_rows
from nlptl.transfer.features.frozen import TextFeatures


def features_sharded(features: TextFeatures, rows: Rows) -> FloatArray:
    """Return the features (n, n_features) of all rows. One process computes each row."""
    shard = own_rows(len(rows))
    if len(shard) == len(rows):
        return np.asarray(features.transform(rows))
    empty = np.zeros((0, sum(width for _, width in features.groups(rows))), dtype=np.float32)
    computed = features.transform(rows.take(shard)) if len(shard) else empty
    return gather_rows(np.asarray(computed, dtype=np.float32), len(rows))

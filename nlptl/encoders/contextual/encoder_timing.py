"""Duration of a forward pass of an encoder."""

from __future__ import annotations

import numpy as np

from nlptl.base import clock
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder

_TEXTS_TO_TIME = 16


def forward_seconds(encoder: TransformerEncoder, rows: Rows) -> float:
    """Measure the seconds per row of a forward pass, on a few evenly spaced rows."""
    sample = rows.take(np.unique(np.linspace(0, len(rows) - 1, _TEXTS_TO_TIME).astype(int)))
    texts = [text for row in sample for text in ([row] if isinstance(row, str) else row)]
    with without_cache():
        encoder.transform(texts[:2])
        began = clock.seconds()
        encoder.transform(texts)
    return (clock.seconds() - began) / len(sample)

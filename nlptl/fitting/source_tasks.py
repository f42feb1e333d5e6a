"""Sources with labels of their own, which are trained together with the target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nlptl.base.inputs import LabelsLike
from nlptl.base.transfer import SourceTexts
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelCodec, SingleLabels, as_values
from nlptl.data.number_scale import NumberScale
from nlptl.fitting.source_rows import check_same_kind
from nlptl.fitting.training_data import TrainingData
from nlptl.training.losses import as_truth, row_losses

if TYPE_CHECKING:
    from torch import Tensor


def source_tasks(data: TrainingData) -> list[SourceTexts]:
    """Return the corpora of the source, each with codes for its own labels.

    Raises
    ------
    InputError
        If labels cannot be read, or only one of source and target has pairs of texts.
    """
    return [_task(corpus, data) for corpus in data.source.values()]


def _task(corpus: Corpus, data: TrainingData) -> SourceTexts:
    check_same_kind(corpus, data.rows)
    if corpus.labels is None:
        return SourceTexts(corpus.rows.texts)
    codec = _codec(corpus.labels)
    codes = codec.encode(corpus.labels)
    return SourceTexts(
        corpus.rows.texts, codes, codec.n_outputs, partial(_losses_of_rows, as_truth(codes))
    )


def _losses_of_rows(truth: Tensor, scores: Tensor, numbers: Tensor) -> Tensor:
    """Return the losses of the rows with these numbers: (n,)."""
    return row_losses(scores, truth.to(scores.device)[numbers])


def _codec(labels: LabelsLike) -> LabelCodec | NumberScale:
    """Return what converts labels to codes. Fractions are numbers, all else are classes."""
    values = as_values(labels)
    are_fractions = isinstance(values, SingleLabels) and all(
        isinstance(value, float) for value in values
    )
    if are_fractions and any(not float(value).is_integer() for value in values):
        return NumberScale.learn(values)
    return LabelCodec.learn(values)

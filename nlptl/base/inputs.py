"""Type aliases for the inputs of the public functions, which accept many containers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

Text: TypeAlias = str | tuple[str, str]
"""One text, or a pair of texts that is classified together."""

TextsLike: TypeAlias = Iterable[object]
"""Texts or pairs of texts: a list, tuple, array, Series or column of strings or of pairs, a table
(DataFrame, Dataset or dict of columns) or ``Rows``. See ``nlptl.data.rows.as_rows``."""

LabelsLike: TypeAlias = Iterable[object]
"""One label, one list of labels or one number per text, or zeros and ones per label: a list,
tuple, array, Series, tensor or column. See ``nlptl.data.labels.as_values``."""

LabelledTexts: TypeAlias = tuple[TextsLike, LabelsLike]
"""Texts and their labels, for example the rows of a test."""

JsonObject: TypeAlias = dict[str, object]
"""An object that was read from JSON. ``nlptl.base.described.entry`` reads and checks its values."""

WeightsLike: TypeAlias = Iterable[float]
"""One weight per text, 0 or more: a list, array, Series or tensor."""

EncoderName: TypeAlias = Literal["static", "tfidf", "transformer"]

TransferName: TypeAlias = Literal[
    "adapters",
    "adversarial",
    "auto",
    "confusion",
    "contrastive",
    "coral",
    "cotraining",
    "density",
    "edits",
    "frozen",
    "full",
    "l2sp",
    "lora",
    "meaning",
    "meanmatching",
    "means",
    "mmd",
    "pretraining",
    "private",
    "selftraining",
    "source",
    "sourcehead",
    "sourcetask",
    "tradaboost",
    "tunefirst",
]

HeadName: TypeAlias = Literal[
    "blend", "discriminant", "logistic", "meaning", "mlp", "ordinal", "prototype", "ridge"
]

ImbalanceName: TypeAlias = Literal["balanced", "focal", "logit_adjust"]

OnHarm: TypeAlias = Literal["roll-back", "warn"]

LongTexts: TypeAlias = Literal["windows", "cut"]

PairEncoding: TypeAlias = Literal["auto", "separate", "joint"]

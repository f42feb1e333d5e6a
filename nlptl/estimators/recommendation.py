"""Encoder and transfers of a fit with a source, if the user chose no transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike
from nlptl.base.transfer import Transfer
from nlptl.data.audit.duplicates import folded
from nlptl.data.corpus import Corpus, as_corpora
from nlptl.data.labels import LabelCodec, SingleLabels
from nlptl.encoders.contextual.pooling import Pooling
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import Concatenation, FusedEncoder
from nlptl.encoders.tfidf import TfidfEncoder
from nlptl.encoders.tunable import is_tunable
from nlptl.estimators.named_parts import with_objects
from nlptl.estimators.plans import PlannedModel
from nlptl.fitting.plan import as_encoder
from nlptl.fitting.training_data import is_empty
from nlptl.heads import LogisticHead
from nlptl.transfer import (
    ContinuedPretraining,
    CoTraining,
    FineTuneFirst,
    Frozen,
    FullFineTune,
    MeanAlignment,
    SelfTraining,
    SourceRows,
    SourceTask,
)

LAYERS = (4, 6)
"""Layers of the default encoder. The last one is trained for the topic of a text. Lower ones keep
more of the opinion in a review."""


def recommended_params(
    model: PlannedModel, texts: Any, answers: Any, fit_params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recommended encoder and transfers of a fit with a source.

    Word counts are part of the recommended encoder, because a general sentence encoder keeps less
    of the sentiment of a review than its words do (docs/domains.md). If the user chose
    ``FineTuneFirst()`` alone, and there are unlabelled texts, the rest is added to it.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
    texts, answers
        Labelled target rows of the fit. There may be none.
    fit_params : mapping
        The other arguments of ``fit`` by name.

    Returns
    -------
    dict
        Values for the parameters ``encoder`` and ``transfer`` of the model. Empty without a
        source, or if the user chose another transfer.

    Raises
    ------
    InputError
        If the source is not a corpus or a dict of them, or its labels are those of the target in
        another form.
    """
    params = with_objects(model.get_params(deep=False))
    source = as_corpora(fit_params.get("source"), argument="source")
    unlabeled = as_corpora(fit_params.get("unlabeled"), argument="unlabeled")
    tunes = isinstance(params["transfer"], FineTuneFirst)
    if not source or not (params["transfer"] is None or (tunes and unlabeled)):
        return {}
    encoder = params["encoder"]
    if not model.codec_kind.numeric:
        _check_same_labels(answers, source)
    can_train = not is_empty(texts) and is_tunable(as_encoder(encoder))
    if can_train and not tunes and _has_other_labels(model, answers, source.values()):
        first = [ContinuedPretraining()] if unlabeled else []
        return {"transfer": [*first, FullFineTune(), SourceTask()]}
    if encoder is None and _counts_words(params):
        encoder = recommended_encoder(tuned=tunes)
    transfers: list[Transfer] = [params["transfer"]] if tunes else []
    transfers += [] if is_empty(texts) else [SourceRows()]
    if unlabeled:
        if _has_dense_part(encoder):
            transfers.append(MeanAlignment())
        if _has_one_label_per_text(model, answers, source.values()):
            has_views = _has_views(encoder) and params["head"] is None
            transfers.append(CoTraining() if has_views else SelfTraining())
    return {"encoder": encoder, "transfer": transfers or Frozen()}


def recommended_encoder(*, tuned: bool = False) -> FusedEncoder:
    """Return two layers of the default encoder together with word counts; the last if tuned."""
    layers = TransformerEncoder() if tuned else TransformerEncoder(pooling=Pooling(layers=LAYERS))
    return FusedEncoder((layers, TfidfEncoder()), fusion=Concatenation(sparse=True))


def _counts_words(params: Mapping[str, Any]) -> bool:
    """Return True if the other parameters of a model allow an encoder with word counts."""
    head = params["head"]
    return params["pair_encoding"] != "joint" and (head is None or isinstance(head, LogisticHead))


def _has_dense_part(encoder: Any) -> bool:
    """Return True if an encoder, or a part of it, does not count words."""
    parts = encoder.encoders if isinstance(encoder, FusedEncoder) else (encoder,)
    return not all(isinstance(part, TfidfEncoder) for part in parts)


def _has_views(encoder: Any) -> bool:
    """Return True if an encoder joins the features of several encoders for a linear head."""
    return isinstance(encoder, FusedEncoder) and isinstance(encoder.fusion, Concatenation)


def _has_other_labels(model: PlannedModel, answers: Any, source: Iterable[Corpus]) -> bool:
    """Return True if every source has several labels, and none of the labelled target rows."""
    if model.codec_kind.numeric:
        return False
    target = _labels_of(answers)
    corpora = [_labels_of(corpus.labels) for corpus in source if corpus.labels is not None]
    return bool(corpora) and all(len(labels) > 1 and not labels & target for labels in corpora)


def _check_same_labels(answers: Any, source: Mapping[str, Corpus]) -> None:
    """Check that labels of the source do not differ from those of the target in form only.

    Raises
    ------
    InputError
        If no label of a corpus is one of the target, but their texts are equal without case and
        outer spaces: ``"1"`` and ``1``, or ``"Good"`` and ``"good"``.
    """
    target = _labels_of(answers)
    by_text = {folded(str(label)): label for label in target}
    for name, corpus in source.items():
        labels = set() if corpus.labels is None else _labels_of(corpus.labels)
        alike = [label for label in sorted(labels, key=repr) if folded(str(label)) in by_text]
        if alike and not labels & target:
            pair = (alike[0], by_text[folded(str(alike[0]))])
            first, second = (f"{label!r} ({type(label).__name__})" for label in pair)
            raise InputError(
                f"The labels of the source {name!r} must be those of the target, got {first} and "
                f"{second}. Write them in the same way."
            )


def _labels_of(answers: LabelsLike) -> set[Any]:
    """Return the different labels; the names of its columns for an array of zeros and ones."""
    return set(LabelCodec.learn(answers, least=0).classes.tolist())


def _has_one_label_per_text(model: PlannedModel, answers: Any, source: Iterable[Corpus]) -> bool:
    """Return True if each text of a fit has one label."""
    if model.codec_kind.numeric:
        return False
    labels = [
        model.codec_kind.read(corpus.labels) for corpus in source if corpus.labels is not None
    ]
    return all(isinstance(part, SingleLabels) for part in [answers, *labels] if len(part))

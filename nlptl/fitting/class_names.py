"""Names of classes in a fit: their vectors, the head that uses them, and classes added later."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.labels import LabelCodec, key_of
from nlptl.data.rows import Rows
from nlptl.encoders.entailment import EntailmentEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.head_choice import dense
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.meaning_head import DEFAULT_NAME_WEIGHT, MeaningHead
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.relations.label_meaning import LabelMeaning

_ENTAILED = "This text is about {}."


def vectors_of(names: list[list[str]], features: TextFeatures) -> FloatArray:
    """Return the mean vector of the texts of each name: (n_names, n_features)."""
    vectors = dense(features.transform(Rows(list(chain.from_iterable(names)))))
    ends = np.cumsum([len(texts) for texts in names])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])


def with_vectors(head: Any, data: TrainingData, features: TextFeatures) -> Any:
    """Return the head with the vectors of the names, if names are used."""
    if data.names is None:
        return head
    return clone(head).set_params(labels=vectors_of(data.names, features))


def with_entailment(plan: FitPlan, data: TrainingData) -> FitPlan:
    """Add a cross-encoder to the encoder, if one is to read what the labels mean.

    Raises
    ------
    ConfigError
        If the encoder is to be tuned.
    """
    meaning = plan.transfers.meaning
    if meaning is None or meaning.entailment is None:
        return plan
    if plan.transfers.tunes:
        raise ConfigError(
            f"LabelMeaning(entailment={meaning.entailment!r}) works with a frozen encoder only. "
            "Leave the other transfers out."
        )
    plain = LabelMeaning(meaning.names, [_ENTAILED])
    sentences = [texts[0] for texts in plain.texts(data.codec.classes.tolist())]
    entailing = EntailmentEncoder(meaning.entailment, tuple(sentences), device=plan.device)
    return replace(plan, encoder=FusedEncoder((plan.encoder, entailing)))


def with_meaning(head: Any, meaning: LabelMeaning, *, unseen: bool) -> MeaningHead:
    """Return a head that combines what labels mean with another head.

    Parameters
    ----------
    head : head or None
    meaning : LabelMeaning
    unseen : bool
        True if the features do not depend on the labels. Otherwise no row can tell how much the
        names should count.
    """
    if isinstance(head, MeaningHead):
        return head
    if isinstance(head, OrdinalHead):
        raise ConfigError(
            "OrdinalHead has one direction for all classes, and no room for what each is called. "
            "Leave it out if you use LabelMeaning()."
        )
    weight = DEFAULT_NAME_WEIGHT if meaning.weight == "cv" and not unseen else meaning.weight
    return MeaningHead(base=head, weight=weight)


def with_classes(fitted: FittedModel, meaning: LabelMeaning, more: LabelMeaning) -> FittedModel:
    """Add classes to a fitted model that are known by their names alone.

    Parameters
    ----------
    fitted : FittedModel
    meaning, more : LabelMeaning
        What the present classes mean, and what the new ones mean.

    Raises
    ------
    ConfigError
        If the head does not know names.
    InputError
        If a class is there already.
    """
    head, codec = fitted.scorer.fitted, fitted.codec
    if meaning.entailment is not None:
        raise ConfigError(
            f"The classes of a model with entailment={meaning.entailment!r} are read with every "
            "text, and none can be added. Fit it again with the new names."
        )
    if not isinstance(head, MeaningHead):
        raise ConfigError("Only a model fitted with LabelMeaning() and its encoder knows names.")
    present, new = codec.classes.tolist(), list(more.labels)
    repeated = [label for label in new if key_of(label) in {key_of(old) for old in present}]
    if repeated:
        raise InputError(f"Class {repeated[0]!r} is there already. Name classes that are not.")
    wider = LabelCodec.learn([*present, *new])
    position = {key_of(label): i for i, label in enumerate([*present, *new])}
    order = np.array([position[key_of(label)] for label in wider.classes.tolist()])
    before = vectors_of(meaning.texts(present), fitted.features)
    added = vectors_of(more.texts(new), fitted.features)
    offsets = fitted.scorer.decision.offsets
    wide = None if offsets is None else np.append(offsets, [offsets.mean()] * len(new))[order]
    scorer = replace(
        fitted.scorer,
        fitted=head.extended(before, added, order),
        decision=replace(fitted.scorer.decision, offsets=wide),
    )
    return replace(fitted, codec=wider, scorer=scorer)

"""Names of classes in a fit: their vectors, the head that uses them, and classes added later."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import SolverHead
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


def with_vectors(head: SolverHead, data: TrainingData, features: TextFeatures) -> Any:
    """Return the head with the vectors of the names, if names are used."""
    if data.names is None:
        return head
    return clone(head).set_params(labels=vectors_of(data.names, features))


def with_entailment(plan: FitPlan, data: TrainingData) -> FitPlan:
    """Add an entailment cross-encoder to the encoder if ``LabelMeaning`` asks for one.

    Raises
    ------
    ConfigError
        If a transfer tunes the encoder.
    """
    meaning = plan.transfers.meaning
    if meaning is None or meaning.entailment is None:
        return plan
    if plan.transfers.tunes:
        raise ConfigError(
            f"LabelMeaning(entailment={meaning.entailment!r}) needs a frozen encoder, got "
            f"{type(plan.transfers.main).__name__}(). Leave the other transfers out."
        )
    plain = LabelMeaning(meaning.names, [_ENTAILED])
    sentences = [texts[0] for texts in plain.texts(data.codec.classes.tolist())]
    entailing = EntailmentEncoder(meaning.entailment, tuple(sentences), device=plan.device)
    return replace(plan, encoder=FusedEncoder((plan.encoder, entailing)))


def with_meaning(head: SolverHead | None, meaning: LabelMeaning, *, unseen: bool) -> MeaningHead:
    """Return a head that combines the meanings of the labels with another head.

    Parameters
    ----------
    head : head or None
    meaning : LabelMeaning
    unseen : bool
        True if the features do not depend on the labels. If False, cross-validation cannot choose
        the weight of the names, and ``weight="cv"`` becomes the default weight.

    Raises
    ------
    ConfigError
        If the head is an ``OrdinalHead``.
    """
    if isinstance(head, MeaningHead):
        return head
    if isinstance(head, OrdinalHead):
        raise ConfigError(
            "LabelMeaning() needs a head with weights for each class, got OrdinalHead. "
            "OrdinalHead has one direction for all classes. Leave it out or use LogisticHead()."
        )
    weight = DEFAULT_NAME_WEIGHT if meaning.weight == "cv" and not unseen else meaning.weight
    return MeaningHead(base=head, weight=weight)


def with_classes(fitted: FittedModel, meaning: LabelMeaning, more: LabelMeaning) -> FittedModel:
    """Add classes to a fitted model by their names, without training rows.

    Parameters
    ----------
    fitted : FittedModel
    meaning, more : LabelMeaning
        Meanings of the present classes and of the new classes.

    Raises
    ------
    ConfigError
        If the head does not use class names, or the model uses ``entailment``.
    InputError
        If the model already has a class.
    """
    head, codec = fitted.scorer.fitted, fitted.codec
    if meaning.entailment is not None:
        raise ConfigError(
            f"Expected a model without entailment, got entailment={meaning.entailment!r}. Its "
            "encoder reads the class names with each text. Fit it again with the new names."
        )
    if not isinstance(head, MeaningHead):
        raise ConfigError(
            f"Expected a model fitted with LabelMeaning(), got one with {type(head).__name__}. "
            "Fit it again with LabelMeaning()."
        )
    present, new = codec.classes.tolist(), list(more.labels)
    repeated = [label for label in new if key_of(label) in {key_of(old) for old in present}]
    if repeated:
        raise InputError(
            f"Expected new classes, but the model already has class {repeated[0]!r}. Leave it out."
        )
    new_codec = LabelCodec.learn([*present, *new])
    position = {key_of(label): i for i, label in enumerate([*present, *new])}
    order = np.array([position[key_of(label)] for label in new_codec.classes.tolist()])
    present_vectors = vectors_of(meaning.texts(present), fitted.features)
    new_vectors = vectors_of(more.texts(new), fitted.features)
    offsets = fitted.scorer.decision.offsets
    if offsets is not None:
        offsets = np.append(offsets, [offsets.mean()] * len(new))[order]
    scorer = replace(
        fitted.scorer,
        fitted=head.extended(present_vectors, new_vectors, order),
        decision=replace(fitted.scorer.decision, offsets=offsets),
    )
    return replace(fitted, codec=new_codec, scorer=scorer)

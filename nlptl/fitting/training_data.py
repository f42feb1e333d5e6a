"""What a fit learns from: labelled rows, and what is known of their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.labels import LabelCodec, as_values, key_of
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.entailment import EntailmentEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.plan import dense, targets_of
from nlptl.fitting.transfers import Transfers
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.meaning_head import DEFAULT_NAME_WEIGHT, MeaningHead
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.relations.label_meaning import LabelMeaning

_PROBE_ROWS = 8
_ENTAILED = "This text is about {}."


@dataclass(frozen=True)
class TrainingData:
    """What a fit learns from.

    Attributes
    ----------
    rows : Rows
        Not empty, unless there are ``names``.
    targets : Targets
        Their answers as codes.
    codec : LabelCodec or NumberScale
        From answers to codes and back.
    transfers : Transfers
        What is carried over.
    names : list of list of str or None
        Texts that say what each class means, where they are to be used.
    extra : (Rows, Targets) or None
        Rows that were made from the others, or labelled by a model: the head learns from them,
        and none of them can be held out to judge by.
    """

    rows: Rows
    targets: Targets
    codec: Any
    transfers: Transfers
    names: list[list[str]] | None = None
    extra: tuple[Rows, Targets] | None = None

    @property
    def all_rows(self) -> tuple[Rows, Targets]:
        """Rows and targets, with those beside them."""
        if self.extra is None:
            return self.rows, self.targets
        rows, targets = self.extra
        return self.rows.followed_by(rows), self.targets.followed_by(targets)

    def with_extra(self, rows: Rows, targets: Targets) -> TrainingData:
        """Give the same with further rows beside it."""
        if self.extra is not None:
            rows = self.extra[0].followed_by(rows)
            targets = self.extra[1].followed_by(targets)
        return replace(self, extra=(rows, targets))

    def read(self, further: Rows) -> Rows:
        """Give what an encoder reads besides the rows: texts without labels, and a source."""
        if self.transfers.source is None or self.extra is None:
            return further
        return further.followed_by(self.extra[0])

    @property
    def probe(self) -> Rows:
        """A few rows, to check a saved model on."""
        shown = self.rows if len(self.rows) else Rows(self._flat)
        return shown.take(np.arange(min(_PROBE_ROWS, len(shown))))

    @property
    def with_names(self) -> tuple[Rows, Targets]:
        """Rows and targets, with the names as further rows of their classes."""
        rows, targets = self.all_rows
        if self.names is None:
            return rows, targets
        codes = np.repeat(np.arange(len(self.names)), [len(own) for own in self.names])
        given = self.targets.weights
        weights = None if given is None else np.full(len(codes), given.mean())
        named = Targets(codes, len(self.names), weights)
        return rows.followed_by(Rows(self._flat)), targets.followed_by(named)

    def knowing(self, head: Any, features: TextFeatures) -> Any:
        """Give the head with the vectors of the names, where there are some."""
        if self.names is None:
            return head
        return clone(head).set_params(labels=vectors_of(self.names, features))

    @property
    def _flat(self) -> list[str]:
        return list(chain.from_iterable(self.names or ()))


def vectors_of(names: list[list[str]], features: TextFeatures) -> FloatArray:
    """Give the mean vector of the texts of each name: (n_names, n_features)."""
    vectors = dense(features.transform(Rows(list(chain.from_iterable(names)))))
    ends = np.cumsum([len(own) for own in names])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])


def with_entailment(encoder: Any, data: TrainingData, *, device: str | None) -> Any:
    """Put a cross-encoder beside an encoder, where what labels mean is to be read by one.

    Raises
    ------
    ConfigError
        If the encoder is to be tuned.
    """
    meaning = data.transfers.meaning
    if meaning is None or meaning.entailment is None:
        return encoder
    if data.transfers.tunes:
        raise ConfigError(
            f"LabelMeaning(entailment={meaning.entailment!r}) goes with a frozen encoder only."
        )
    plain = LabelMeaning(meaning.names, [_ENTAILED])
    sentences = [own[0] for own in plain.texts(data.codec.classes.tolist())]
    return FusedEncoder(
        (encoder, EntailmentEncoder(meaning.entailment, tuple(sentences), device=device))
    )


def with_classes(fitted: FittedModel, meaning: LabelMeaning, further: LabelMeaning) -> FittedModel:
    """Give what was learnt, with classes that are known by their names alone.

    Parameters
    ----------
    fitted : FittedModel
    meaning, further : LabelMeaning
        What the classes mean that there are, and those to come.

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
        raise ConfigError("Only a model fitted with LabelMeaning() beside its encoder knows names.")
    old, new = codec.classes.tolist(), list(further.labels)
    there = [label for label in new if key_of(label) in {key_of(known) for known in old}]
    if there:
        raise InputError(f"Class {there[0]!r} is there already. Name classes that are not.")
    wider = LabelCodec.learn([*old, *new])
    place = {key_of(label): i for i, label in enumerate([*old, *new])}
    order = np.array([place[key_of(label)] for label in wider.classes.tolist()])
    before = vectors_of(meaning.texts(old), fitted.features)
    added = vectors_of(further.texts(new), fitted.features)
    offsets = fitted.scorer.decision.offsets
    wide = None if offsets is None else np.append(offsets, [offsets.mean()] * len(new))[order]
    scorer = replace(
        fitted.scorer,
        fitted=head.extended(before, added, order),
        decision=replace(fitted.scorer.decision, offsets=wide),
    )
    return replace(fitted, codec=wider, scorer=scorer)


def learn_from(
    kind: Any,
    read: Callable[[Any], Rows],
    given: tuple[Any, Any, Any],
    transfers: Transfers,
) -> TrainingData:
    """Read texts, answers and weights.

    Parameters
    ----------
    kind : type
        Codec of the answers.
    read : callable
        Takes texts, gives rows.
    given : tuple
        Texts, answers, weights.
    transfers : Transfers
        Where they say what labels mean, there may be no rows.

    Raises
    ------
    InputError, ConfigError
        If they cannot be used.
    """
    (texts, answers, sample_weight), meaning = given, transfers.meaning
    if meaning is None:
        rows, codec = read(texts), kind.learn(answers)
        return TrainingData(rows, targets_of(codec, answers, sample_weight, rows), codec, transfers)
    if kind is not LabelCodec:
        raise ConfigError("LabelMeaning() reads the names of classes, and numbers have none.")
    rows = Rows([]) if is_empty(texts) else read(texts)
    plain = rows.numbers is None and not rows.are_pairs
    if LabelCodec.learn(answers, least=0).form != "single" or not plain:
        raise ConfigError(
            "LabelMeaning() is for single texts with one label each, and no numbers beside them."
        )
    codec = LabelCodec.learn([*as_values(answers), *meaning.labels])
    targets = targets_of(codec, answers, sample_weight, rows)
    return TrainingData(rows, targets, codec, transfers, meaning.texts(codec.classes.tolist()))


def with_meaning(head: Any, meaning: LabelMeaning, *, unseen: bool) -> MeaningHead:
    """Give a head that mixes what labels mean into another one.

    ``unseen`` says that the features do not come from the labels: otherwise no row could tell
    what the names are worth.
    """
    if isinstance(head, MeaningHead):
        return head
    if isinstance(head, OrdinalHead):
        raise ConfigError(
            "OrdinalHead has one direction for all classes, and no room for what each is called. "
            "Leave it out beside LabelMeaning()."
        )
    weight = DEFAULT_NAME_WEIGHT if meaning.weight == "cv" and not unseen else meaning.weight
    return MeaningHead(base=head, weight=weight)


def is_empty(texts: Any) -> bool:
    """Return True for a container without texts."""
    return hasattr(texts, "__len__") and not isinstance(texts, str | dict) and not len(texts)

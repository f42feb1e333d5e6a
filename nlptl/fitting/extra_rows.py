"""Further rows to learn from: of a source, made of the labelled ones, or labelled by the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.corpus import Corpus, as_corpora
from nlptl.data.labels import LabelCodec, are_lists, distinct
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.instances import SelfTraining, WordEdits


def with_source(data: TrainingData, source: Any) -> TrainingData:
    """Put the labelled rows of a source beside those of the target, where that was asked for.

    Classes that the source alone has are classes too.

    Raises
    ------
    ConfigError
        If there is a source and nothing learns from it, or it is missing.
    InputError
        If it cannot be used.
    """
    corpora, spec = as_corpora(source, argument="source"), data.transfers.source
    if spec is None:
        if corpora:
            raise ConfigError(
                "fit was given source=..., but no transfer uses it. Leave it out, or add "
                "SourceRows()."
            )
        return data
    if not corpora:
        raise ConfigError("SourceRows() needs fit(..., source=Corpus(texts, labels)).")
    for corpus in corpora.values():
        data = _with_corpus(data, corpus, spec.weight)
    return data


def _with_corpus(data: TrainingData, corpus: Corpus, weight: float) -> TrainingData:
    if corpus.labels is None:
        raise InputError(f"SourceRows() learns from labels, and {corpus.title} has none.")
    if len(data.rows) and corpus.rows.are_pairs != data.rows.are_pairs:
        raise InputError(
            f"The texts of {corpus.title} are pairs or single texts, and those at hand are not."
        )
    data = _knowing(data, corpus.labels)
    codec = data.codec
    weights: FloatArray = np.full(len(corpus.rows), weight)
    return data.with_extra(
        corpus.rows, Targets(codec.encode(corpus.labels), codec.n_outputs, weights)
    )


def _knowing(data: TrainingData, labels: Any) -> TrainingData:
    """Let classes be known that are in further labels alone."""
    codec = data.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or data.names is not None:
        return data
    values = codec.values(labels)
    if are_lists(values):
        return data
    wider = LabelCodec(distinct([*codec.classes.tolist(), *values]), "single")
    if wider.n_outputs == codec.n_outputs:
        return data

    def told(targets: Targets) -> Targets:
        codes = wider.encode(codec.decode(targets.codes))
        return Targets(codes, wider.n_outputs, targets.weights)

    extra = data.extra
    if extra is not None:
        extra = extra[0], told(extra[1])
    return replace(data, codec=wider, targets=told(data.targets), extra=extra)


def with_edits(data: TrainingData, *, seed: int) -> TrainingData:
    """Put edited copies of the labelled rows beside them, where that was asked for.

    The copies of a row count together as much as the row.

    Raises
    ------
    ConfigError
        If texts have several labels.
    """
    edits, rows, targets = data.transfers.edits, data.rows, data.targets
    if edits is None or not len(rows):
        return data
    if targets.several:
        raise ConfigError(
            f"WordEdits() is for one label a text, got texts with up to {targets.n_outputs}."
        )
    again = targets.take(np.tile(np.arange(len(rows)), edits.copies))
    own = np.ones(len(again)) if again.weights is None else again.weights
    return data.with_extra(_edited(edits, rows, seed), replace(again, weights=own / edits.copies))


def self_trained(
    data: TrainingData,
    features: TextFeatures,
    scorer: FittedHead,
    further: Rows,
    refit: Callable[[TrainingData], FittedHead],
) -> FittedHead:
    """Fit the head again, with the rows without labels of which it is surest.

    Parameters
    ----------
    data : TrainingData
    features : TextFeatures
        What the head sees.
    scorer : FittedHead
        The head as the labelled rows made it; how its logits are read stays.
    further : Rows
        Without labels; at least one.
    refit : callable
        Fits the head to what is learnt from.
    """
    spec = data.transfers.selftraining or SelfTraining()
    found, total = features.transform(further), _total(data.targets)
    asked = found
    if not len(data.rows):  # the names decide; where texts lie, these texts tell
        asked = found + (scorer.fitted.centre_ - found.mean(axis=0))
    for _ in range(spec.rounds):
        rows, codes = spec.surest(scorer.probabilities(asked))
        asked = found
        share = total / len(rows) if len(data.rows) else 1.0
        weights: FloatArray = np.full(len(rows), spec.weight * share)
        added = Targets(codes, data.targets.n_outputs, weights)
        again = refit(data.with_extra(further.take(rows), added))
        scorer = replace(again, decision=scorer.decision)
    return scorer


def check_further(further: Rows, data: TrainingData, encoder: Any | None) -> None:
    """Refuse texts without labels that nothing learns from, and self-training without them.

    Parameters
    ----------
    further : Rows
        The texts; may be empty.
    data : TrainingData
    encoder : Encoder or None
        None where it was tried whether they help.

    Raises
    ------
    ConfigError
        If they do not go together.
    InputError
        If some are pairs of texts and others are not.
    """
    if data.transfers.selftraining is None:
        if len(further) and not getattr(encoder, "learns_from_text", True):
            raise ConfigError(
                f"fit was given unlabeled=..., but this {type(encoder).__name__} learns nothing "
                "from text. Leave it out, or add SelfTraining()."
            )
        return
    targets, n = data.targets, len(data.rows)
    if targets.numeric or targets.several:
        raise ConfigError(f"SelfTraining() is for one label a text, got {targets.n_outputs}.")
    if not len(further) or not (n or data.names):
        raise ConfigError(
            "SelfTraining() needs labelled texts (or names of classes) and others without labels, "
            f"got {n} and {len(further)}: fit(..., unlabeled=Corpus(texts))."
        )
    if further.are_pairs != data.rows.are_pairs:
        raise InputError(
            "SelfTraining() labels texts like those with labels, got pairs of texts and single "
            "texts."
        )


def _edited(edits: WordEdits, rows: Rows, seed: int) -> Rows:
    numbers = None if rows.numbers is None else np.tile(rows.numbers, (edits.copies, 1))
    if not rows.are_pairs:
        return Rows(edits.edited([str(text) for text in rows.texts], seed=seed), numbers)
    sides = [
        edits.edited([str(text) for text in rows.side(side).texts], seed=seed + side)
        for side in (0, 1)
    ]
    return Rows(list(zip(*sides, strict=True)), numbers)


def _total(targets: Targets) -> float:
    return float(len(targets) if targets.weights is None else targets.weights.sum())

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
from nlptl.estimators.fitting.learning import Learning
from nlptl.estimators.fitting.scoring import FittedScorer
from nlptl.transfer.features.frozen import FrozenFeatures
from nlptl.transfer.instances import SelfTraining, WordEdits


def with_source(learning: Learning, source: Any) -> Learning:
    """Put the labelled rows of a source beside those of the target, where that was asked for.

    Classes that the source alone has are classes too.

    Raises
    ------
    ConfigError
        If there is a source and nothing learns from it, or it is missing.
    InputError
        If it cannot be used.
    """
    corpora, spec = as_corpora(source, argument="source"), learning.transfers.source
    if spec is None:
        if corpora:
            raise ConfigError(
                "fit was given source=..., but no transfer uses it. Leave it out, or add "
                "SourceRows()."
            )
        return learning
    if not corpora:
        raise ConfigError("SourceRows() needs fit(..., source=Corpus(texts, labels)).")
    for corpus in corpora.values():
        learning = _with_corpus(learning, corpus, spec.weight)
    return learning


def _with_corpus(learning: Learning, corpus: Corpus, weight: float) -> Learning:
    if corpus.labels is None:
        raise InputError(f"SourceRows() learns from labels, and {corpus.title} has none.")
    if len(learning.rows) and corpus.rows.are_pairs != learning.rows.are_pairs:
        raise InputError(
            f"The texts of {corpus.title} are pairs or single texts, and those at hand are not."
        )
    learning = _knowing(learning, corpus.labels)
    codec = learning.codec
    weights: FloatArray = np.full(len(corpus.rows), weight)
    return learning.with_beside(
        corpus.rows, Targets(codec.encode(corpus.labels), codec.n_outputs, weights)
    )


def _knowing(learning: Learning, labels: Any) -> Learning:
    """Let classes be known that are in further labels alone."""
    codec = learning.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or learning.names is not None:
        return learning
    values = codec.values(labels)
    if are_lists(values):
        return learning
    wider = LabelCodec(distinct([*codec.classes.tolist(), *values]), "single")
    if wider.n_outputs == codec.n_outputs:
        return learning

    def told(targets: Targets) -> Targets:
        codes = wider.encode(codec.decode(targets.codes))
        return Targets(codes, wider.n_outputs, targets.weights)

    beside = learning.beside
    if beside is not None:
        beside = beside[0], told(beside[1])
    return replace(learning, codec=wider, targets=told(learning.targets), beside=beside)


def with_edits(learning: Learning, *, seed: int) -> Learning:
    """Put edited copies of the labelled rows beside them, where that was asked for.

    The copies of a row count together as much as the row.

    Raises
    ------
    ConfigError
        If texts have several labels.
    """
    edits, rows, targets = learning.transfers.edits, learning.rows, learning.targets
    if edits is None or not len(rows):
        return learning
    if targets.several:
        raise ConfigError(
            f"WordEdits() is for one label a text, got texts with up to {targets.n_outputs}."
        )
    again = targets.take(np.tile(np.arange(len(rows)), edits.copies))
    own = np.ones(len(again)) if again.weights is None else again.weights
    return learning.with_beside(
        _edited(edits, rows, seed), replace(again, weights=own / edits.copies)
    )


def self_trained(
    learning: Learning,
    features: FrozenFeatures,
    scorer: FittedScorer,
    further: Rows,
    refit: Callable[[Learning], FittedScorer],
) -> FittedScorer:
    """Fit the head again, with the rows without labels of which it is surest.

    Parameters
    ----------
    learning : Learning
    features : FrozenFeatures
        What the head sees.
    scorer : FittedScorer
        The head as the labelled rows made it; how its logits are read stays.
    further : Rows
        Without labels; at least one.
    refit : callable
        Fits the head to what is learnt from.
    """
    spec = learning.transfers.selftraining or SelfTraining()
    found, total = features.transform(further), _total(learning.targets)
    asked = found
    if not len(learning.rows):  # the names decide; where texts lie, these texts tell
        asked = found + (scorer.fitted.centre_ - found.mean(axis=0))
    for _ in range(spec.rounds):
        rows, codes = spec.surest(scorer.probabilities(asked))
        asked = found
        share = total / len(rows) if len(learning.rows) else 1.0
        weights: FloatArray = np.full(len(rows), spec.weight * share)
        added = Targets(codes, learning.targets.n_outputs, weights)
        again = refit(learning.with_beside(further.take(rows), added))
        scorer = replace(again, decision=scorer.decision)
    return scorer


def check_further(further: Rows, learning: Learning, encoder: Any | None) -> None:
    """Refuse texts without labels that nothing learns from, and self-training without them.

    Parameters
    ----------
    further : Rows
        The texts; may be empty.
    learning : Learning
    encoder : Encoder or None
        None where it was tried whether they help.

    Raises
    ------
    ConfigError
        If they do not go together.
    InputError
        If some are pairs of texts and others are not.
    """
    if learning.transfers.selftraining is None:
        if len(further) and not getattr(encoder, "learns_from_text", True):
            raise ConfigError(
                f"fit was given unlabeled=..., but this {type(encoder).__name__} learns nothing "
                "from text. Leave it out, or add SelfTraining()."
            )
        return
    targets, n = learning.targets, len(learning.rows)
    if targets.numeric or targets.several:
        raise ConfigError(f"SelfTraining() is for one label a text, got {targets.n_outputs}.")
    if not len(further) or not (n or learning.names):
        raise ConfigError(
            "SelfTraining() needs labelled texts (or names of classes) and others without labels, "
            f"got {n} and {len(further)}: fit(..., unlabeled=Corpus(texts))."
        )
    if further.are_pairs != learning.rows.are_pairs:
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

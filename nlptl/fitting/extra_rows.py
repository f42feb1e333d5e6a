"""Further rows to learn from: of a source, made of the labelled ones, or labelled by the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import SourceTexts
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelCodec, are_lists, distinct
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import Transfers
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.instances import SelfTraining, WordEdits


def with_source(data: TrainingData, transfers: Transfers) -> TrainingData:
    """Add the labelled rows of the source to the data, if a transfer uses them.

    Classes that only the source has become classes of the model.

    Raises
    ------
    ConfigError
        If there is a source that no transfer uses, or one is missing.
    InputError
        If it cannot be used.
    """
    if "source" not in transfers.needs:
        if data.source:
            raise ConfigError(
                "fit was given source=..., but no transfer uses it. Leave it out, or add "
                "SourceRows()."
            )
        return data
    if not data.source:
        names = _needing(transfers, "source")
        raise ConfigError(f"{names} needs fit(..., source=Corpus(texts, labels)).")
    for corpus in data.source.values():
        if corpus.labels is not None:
            data = _with_classes_of(data, corpus.labels)
        if transfers.source is not None:
            data = _with_corpus(data, corpus, transfers.source.weight)
    return data


def source_texts(data: TrainingData) -> SourceTexts:
    """Join the corpora of the source; classes are numbered as the model numbers them.

    Codes are left out if a corpus has no labels.
    """
    texts = [text for corpus in data.source.values() for text in corpus.rows.texts]
    labels = [corpus.labels for corpus in data.source.values()]
    if any(part is None for part in labels):
        return SourceTexts(texts)
    return SourceTexts(texts, np.concatenate([data.codec.encode(part) for part in labels]))


def _needing(transfers: Transfers, need: str) -> str:
    """Name the transfers that need something."""
    rows = (transfers.meaning, transfers.edits, transfers.selftraining, transfers.source)
    used = [*transfers, *(transfer for transfer in rows if transfer is not None)]
    return " with ".join(f"{type(part).__name__}()" for part in used if need in part.needs)


def _with_corpus(data: TrainingData, corpus: Corpus, weight: float) -> TrainingData:
    if corpus.labels is None:
        raise InputError(f"SourceRows() needs labels, and {corpus.title} has none.")
    if len(data.rows) and corpus.rows.are_pairs != data.rows.are_pairs:
        raise InputError(
            f"The texts of {corpus.title} must be pairs or single texts like the labelled rows."
        )
    codec = data.codec
    weights: FloatArray = np.full(len(corpus.rows), weight)
    return data.with_extra(
        corpus.rows, Targets(codec.encode(corpus.labels), codec.n_outputs, weights)
    )


def _with_classes_of(data: TrainingData, labels: Any) -> TrainingData:
    """Add the classes that only other labels have."""
    codec = data.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or data.names is not None:
        return data
    values = codec.values(labels)
    if are_lists(values):
        return data
    wider = LabelCodec(distinct([*codec.classes.tolist(), *values]), "single")
    if wider.n_outputs == codec.n_outputs:
        return data

    def recoded(targets: Targets) -> Targets:
        codes = wider.encode(codec.decode(targets.codes))
        return Targets(codes, wider.n_outputs, targets.weights)

    extra = data.extra
    if extra is not None:
        extra = extra[0], recoded(extra[1])
    return replace(data, codec=wider, targets=recoded(data.targets), extra=extra)


def with_edits(data: TrainingData, plan: FitPlan) -> TrainingData:
    """Add edited copies of the labelled rows to the data, if a transfer makes them.

    The copies of a row together count as much as the row.

    Raises
    ------
    ConfigError
        If texts have several labels.
    """
    edits, rows, targets = plan.transfers.edits, data.rows, data.targets
    if edits is None or not len(rows):
        return data
    if targets.several:
        raise ConfigError(
            f"WordEdits() is for one label a text, got texts with up to {targets.n_outputs}."
        )
    again = targets.take(np.tile(np.arange(len(rows)), edits.copies))
    own = np.ones(len(again)) if again.weights is None else again.weights
    return data.with_extra(
        _edited(edits, rows, plan.seed), replace(again, weights=own / edits.copies)
    )


def self_trained(
    plan: FitPlan,
    data: TrainingData,
    features: TextFeatures,
    scorer: FittedHead,
    refit: Callable[[TrainingData], FittedHead],
) -> FittedHead:
    """Fit the head again with the unlabelled rows of which it is most confident.

    Parameters
    ----------
    plan : FitPlan
    data : TrainingData
        With at least one unlabelled row.
    features : TextFeatures
        Input of the head.
    scorer : FittedHead
        The head fitted to the labelled rows. Its calibration stays.
    refit : callable
        Fits the head to data.
    """
    spec = plan.transfers.selftraining or SelfTraining()
    further = data.unlabeled
    X, total = features.transform(further), _total(data.targets)
    asked = X
    if not len(data.rows):  # only names are known: shift them to the centre of the texts
        asked = X + (scorer.fitted.centre_ - X.mean(axis=0))
    for _ in range(spec.rounds):
        rows, codes = spec.most_confident(scorer.probabilities(asked))
        asked = X
        share = total / len(rows) if len(data.rows) else 1.0
        weights: FloatArray = np.full(len(rows), spec.weight * share)
        added = Targets(codes, data.targets.n_outputs, weights)
        again = refit(data.with_extra(further.take(rows), added))
        scorer = replace(again, decision=scorer.decision)
    return scorer


def check_unlabeled(plan: FitPlan, data: TrainingData) -> None:
    """Refuse unlabelled rows that nothing uses, and self-training without them.

    Raises
    ------
    ConfigError
        If data and plan do not fit together.
    InputError
        If some rows are pairs of texts and others are not.
    """
    further = data.unlabeled
    if plan.transfers.selftraining is None:
        needed = "unlabeled" in plan.transfers.needs
        if needed and not len(further):
            names = _needing(plan.transfers, "unlabeled")
            raise ConfigError(f"{names} needs fit(..., unlabeled=Corpus(texts)).")
        learns = getattr(plan.encoder, "learns_from_text", True) or plan.is_chosen
        if len(further) and not learns and not needed:
            raise ConfigError(
                f"fit was given unlabeled=..., but this {type(plan.encoder).__name__} learns "
                "nothing from text. Leave it out, or add SelfTraining()."
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

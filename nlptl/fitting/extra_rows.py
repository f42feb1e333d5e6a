"""Extra training rows: of a source, edited copies, or unlabelled rows that the model labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import LabelsLike
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


def with_extra_rows(data: TrainingData, plan: FitPlan) -> TrainingData:
    """Add the rows of the source, and edited copies of the labelled rows, if transfers use them."""
    return with_edits(with_source(data, plan.transfers), plan)


def with_source(data: TrainingData, transfers: Transfers) -> TrainingData:
    """Add the labelled rows of the source to the data, if a transfer uses them.

    Classes that occur only in the source become classes of the model.

    Raises
    ------
    ConfigError
        If no transfer uses the source, or a transfer needs a source and there is none.
    InputError
        If a corpus of the source has no labels, or if only one of source and target has pairs.
    """
    if "source" not in transfers.needs:
        if data.source:
            raise ConfigError(
                "fit received source=..., but no transfer uses it. Leave it out or add "
                "SourceRows()."
            )
        return data
    if not data.source:
        names = _needing(transfers, "source")
        raise ConfigError(f"{names} needs fit(..., source=Corpus(texts, labels)), got no source.")
    for corpus in data.source.values():
        if corpus.labels is not None:
            data = _with_classes_of(data, corpus.labels)
        if transfers.source is not None:
            data = _with_corpus(data, corpus, transfers.source.weight)
    return data


def source_texts(data: TrainingData) -> SourceTexts:
    """Join the corpora of the source, with the class codes of the model.

    Codes are None if a corpus has no labels.
    """
    texts = [text for corpus in data.source.values() for text in corpus.rows.texts]
    labels = [corpus.labels for corpus in data.source.values()]
    if any(part is None for part in labels):
        return SourceTexts(texts)
    return SourceTexts(texts, np.concatenate([data.codec.encode(part) for part in labels]))


def _needing(transfers: Transfers, need: str) -> str:
    """Return the names of the transfers that need an argument of ``fit``."""
    rows = (transfers.meaning, transfers.edits, transfers.selftraining, transfers.source)
    used = [
        *transfers,
        *transfers.pretraining,
        *(transfer for transfer in rows if transfer is not None),
    ]
    return " with ".join(f"{type(part).__name__}()" for part in used if need in part.needs)


def _with_corpus(data: TrainingData, corpus: Corpus, weight: float) -> TrainingData:
    if corpus.labels is None:
        raise InputError(
            f"SourceRows() needs labels, but {corpus.title} has none. Pass Corpus(texts, labels)."
        )
    if len(data.rows) and corpus.rows.are_pairs != data.rows.are_pairs:
        kinds = {True: "pairs of texts", False: "single texts"}
        raise InputError(
            f"{corpus.title} must have {kinds[data.rows.are_pairs]} like the labelled rows, got "
            f"{kinds[corpus.rows.are_pairs]}. Pass a source of the same kind."
        )
    codec = data.codec
    weights: FloatArray = np.full(len(corpus.rows), weight)
    return data.with_extra(
        corpus.rows, Targets(codec.encode(corpus.labels), codec.n_outputs, weights)
    )


def _with_classes_of(data: TrainingData, labels: LabelsLike) -> TrainingData:
    """Add the classes that occur only in ``labels``."""
    codec = data.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or data.names is not None:
        return data
    values = codec.values(labels)
    if are_lists(values):
        return data
    new_codec = LabelCodec(distinct([*codec.classes.tolist(), *values]), "single")
    if new_codec.n_outputs == codec.n_outputs:
        return data

    def recoded(targets: Targets) -> Targets:
        codes = new_codec.encode(codec.decode(targets.codes))
        return Targets(codes, new_codec.n_outputs, targets.weights)

    extra = data.extra
    if extra is not None:
        extra = extra[0], recoded(extra[1])
    return replace(data, codec=new_codec, targets=recoded(data.targets), extra=extra)


def with_edits(data: TrainingData, plan: FitPlan) -> TrainingData:
    """Add edited copies of the labelled rows to the data, if ``WordEdits`` is used.

    The weights of the copies of a row sum to the weight of the row.

    Raises
    ------
    ConfigError
        If texts may have several labels.
    """
    edits, rows, targets = plan.transfers.edits, data.rows, data.targets
    if edits is None or not len(rows):
        return data
    if targets.several:
        raise ConfigError(
            f"WordEdits() needs one label per text, got up to {targets.n_outputs} labels per text. "
            "Leave it out."
        )
    copied = targets.take(np.tile(np.arange(len(rows)), edits.copies))
    weights = np.ones(len(copied)) if copied.weights is None else copied.weights
    return data.with_extra(
        _edited(edits, rows, plan.seed), replace(copied, weights=weights / edits.copies)
    )


def self_trained(
    plan: FitPlan,
    data: TrainingData,
    features: TextFeatures,
    scorer: FittedHead,
    refit: Callable[[TrainingData], FittedHead],
) -> FittedHead:
    """Fit the head again, with the unlabelled rows that it predicts most confidently.

    Parameters
    ----------
    plan : FitPlan
    data : TrainingData
        Has at least one unlabelled row.
    features : TextFeatures
        Input of the head.
    scorer : FittedHead
        Head fitted to the labelled rows. Its calibration is kept.
    refit : callable
        Takes training data; returns a head that is fitted to them.
    """
    spec = plan.transfers.selftraining or SelfTraining()
    unlabeled = data.unlabeled
    X, total = features.transform(unlabeled), _total(data.targets)
    inputs = X
    if not len(data.rows):  # only class names: shift the texts to the centre of the names
        inputs = X + (scorer.fitted.centre_ - X.mean(axis=0))
    for _ in range(spec.rounds):
        rows, codes = spec.most_confident(scorer.probabilities(inputs))
        inputs = X
        share = total / len(rows) if len(data.rows) else 1.0
        weights: FloatArray = np.full(len(rows), spec.weight * share)
        predicted = Targets(codes, data.targets.n_outputs, weights)
        refitted = refit(data.with_extra(unlabeled.take(rows), predicted))
        scorer = replace(refitted, decision=scorer.decision)
    return scorer


def check_unlabeled(plan: FitPlan, data: TrainingData) -> None:
    """Check that the unlabelled rows are used, and that self-training has some.

    Raises
    ------
    ConfigError
        If nothing uses the unlabelled rows, if a transfer needs them and there are none, or if
        self-training cannot predict these labels.
    InputError
        If some rows are pairs of texts and others are not.
    """
    unlabeled = data.unlabeled
    if plan.transfers.selftraining is None:
        needed = "unlabeled" in plan.transfers.needs
        if needed and not len(unlabeled):
            names = _needing(plan.transfers, "unlabeled")
            raise ConfigError(f"{names} needs fit(..., unlabeled=Corpus(texts)), got none.")
        is_in_doubt = len(unlabeled) and not needed and not plan.is_chosen
        if is_in_doubt and not getattr(plan.encoder, "learns_from_text", True):
            raise ConfigError(
                f"fit received unlabeled=..., but this {type(plan.encoder).__name__} is not fitted "
                "to texts and no transfer uses them. Leave it out, or add SelfTraining()."
            )
        return
    targets, n = data.targets, len(data.rows)
    if targets.numeric or targets.several:
        kind = "numbers" if targets.numeric else f"up to {targets.n_outputs} labels per text"
        raise ConfigError(f"SelfTraining() needs one label per text, got {kind}. Leave it out.")
    if not len(unlabeled) or not (n or data.names):
        raise ConfigError(
            "SelfTraining() needs labelled texts (or class names) and unlabelled texts, got "
            f"{n} and {len(unlabeled)}. Call fit(..., unlabeled=Corpus(texts))."
        )
    if unlabeled.are_pairs != data.rows.are_pairs:
        raise InputError(
            "SelfTraining() needs labelled and unlabelled texts of the same kind, got pairs of "
            "texts and single texts. Pass only one kind."
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

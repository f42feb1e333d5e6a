"""Distil a large model into a small, fast one."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelCodec, as_values, distinct, joined_values, key_of
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.estimators.named_parts import with_objects
from nlptl.estimators.plans import keep, plan_of
from nlptl.fitting.fitted import FittedHead, FittedModel
from nlptl.fitting.frozen_stage import frozen_features
from nlptl.fitting.head_choice import fusion_of
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.label_shares import fit_shares
from nlptl.heads.linear.logistic import LogisticHead
from nlptl.transfer import Frozen
from nlptl.transfer.automatic import Auto

logger = logging.getLogger("nlptl")

_SHARPENING_POWER = 2.0
"""Power to which the teacher's probabilities are raised before the student is fitted to them."""


def teach(
    teacher: Any,
    unlabeled: TextsLike,
    *,
    student: Any = None,
    labelled: Corpus | None = None,
) -> Any:
    """Fit a student to the predictions of a teacher on texts.

    Parameters
    ----------
    teacher : TextModel
        A fitted model.
    unlabeled
        Texts, as for ``teacher.predict``.
    student : TextModel, optional
        An unfitted model of the teacher's kind, which is cloned. The default is a model on pooled
        word vectors.
    labelled : Corpus, optional
        Labelled texts that the student is fitted to as well.

    Returns
    -------
    TextModel
        The fitted student.

    Raises
    ------
    ConfigError
        If the student is of another kind than the teacher.
    InputError
        If the texts cannot be used, or there are none.
    """
    kind = type(teacher)
    chosen = kind(StaticEncoder(), seed=teacher.seed) if student is None else clone(student)
    if not isinstance(chosen, kind):
        raise ConfigError(
            f"A {kind.__name__} teaches a {kind.__name__}, got {type(chosen).__name__}. "
            "Pass a student of the same class, or leave it out."
        )
    chosen.set_params(**with_objects(chosen.get_params(deep=False)))
    check_is_fitted(teacher)
    rows = teacher.fitted_.rows(unlabeled)
    corpus = _labelled_corpus(labelled)
    if _learns_shares(teacher, chosen):
        return _taught_shares(teacher, chosen, rows, corpus)
    texts = rows if corpus is None else rows.followed_by(corpus.rows)
    codec = teacher.fitted_.codec
    read = codec.values if isinstance(codec, LabelCodec) else as_values
    answers = read(teacher.predict(rows))
    _warn_of_missing(teacher, answers, corpus)
    if corpus is not None:
        answers = joined_values(answers, read(corpus.labels))
    return chosen.fit(texts, answers)


def _warn_of_missing(teacher: Any, answers: LabelsLike, corpus: Corpus | None) -> None:
    """Warn about classes that a student fitted to these labels cannot predict."""
    codec = teacher.fitted_.codec
    if not isinstance(codec, LabelCodec) or codec.form == "indicator":
        return
    labels = [*answers, *(() if corpus is None else as_values(corpus.labels))]
    if codec.form == "lists":
        labels = [label for row in labels for label in row]
    present = {key_of(label) for label in distinct(labels).tolist()}
    missing = [label for label in codec.classes.tolist() if key_of(label) not in present]
    if missing:
        logger.warning(
            "The teacher predicts the classes %s for none of these texts, so the student cannot "
            "predict them. Add texts of these classes, or labelled rows.",
            ", ".join(map(repr, missing)),
        )


def _labelled_corpus(labelled: object) -> Corpus | None:
    if labelled is None or (isinstance(labelled, Corpus) and labelled.labels is not None):
        return labelled
    raise InputError(
        f"labelled must be a Corpus with labels, got {labelled!r}. "
        "Pass Corpus(texts, labels) or leave it out."
    )


def _learns_shares(teacher: Any, student: Any) -> bool:
    """Return True if the student's head can be fitted to probabilities instead of labels.

    This needs one label per text, a frozen encoder and logistic regression. A student with any
    other option is fitted to labels, so that none of its options is ignored.
    """
    codec = teacher.fitted_.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or len(codec.classes) < 2:
        return False
    if isinstance(student.transfer, Auto):
        return False
    transfers, head = as_transfers(student.transfer), student.head
    frozen = isinstance(transfers.main, Frozen) and transfers == Transfers(transfers.main)
    logistic = fusion_of(student.encoder) is None and isinstance(head, LogisticHead | None)
    return frozen and logistic and student.imbalance is None


def _taught_shares(teacher: Any, student: Any, rows: Rows, corpus: Corpus | None) -> Any:
    """Fit the student's head to the probabilities that the teacher predicts."""
    shares, codec = sharpened(teacher.predict_proba(rows)), teacher.fitted_.codec
    if corpus is not None:
        one_hot = Targets(codec.encode(corpus.labels), shares.shape[1]).one_hot
        rows = rows.followed_by(corpus.rows)
        shares = np.concatenate([shares, one_hot])
    plan = plan_of(student)
    targets = Targets(shares.argmax(axis=1), shares.shape[1])
    data = TrainingData(rows, targets, codec)
    features = frozen_features(plan, data)
    head = student.head or LogisticHead(seed=student.seed)
    scorer = FittedHead(head, fit_shares(head, features.transform(rows), shares), Decision())
    student.transfer_, student.transfer_verdict_ = student.transfer, None
    keep(student, FittedModel(codec, features, scorer, data.probe), student.audit(rows))
    return student


def sharpened(probabilities: FloatArray) -> FloatArray:
    """Return sharper probabilities (n, n_classes): closer to 0 or 1, with row sums of 1.

    Examples
    --------
    >>> sharpened(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [[0.9, 0.1], [0.5, 0.5]]
    """
    powers = probabilities**_SHARPENING_POWER
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares

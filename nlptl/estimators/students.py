"""Teaching a small, fast model what a large one knows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelCodec, as_values, distinct, joined_values, key_of
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.static.static_encoder import StaticEncoder
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
"""Power to which the teacher's probabilities are raised before they are learnt from."""


def teach(teacher: Any, unlabeled: Any, *, student: Any = None, labelled: Any = None) -> Any:
    """Fit a student to what a teacher says of texts.

    Parameters
    ----------
    teacher : TextModel
        Fitted.
    unlabeled
        Texts, as for ``teacher.predict``.
    student : TextModel, optional
        Not fitted, of the kind of the teacher; it is cloned. By default pooled word vectors.
    labelled : Corpus, optional
        Texts with labels that are known.

    Returns
    -------
    TextModel
        The fitted student.

    Raises
    ------
    ConfigError
        If the student is of another kind than the teacher.
    InputError
        If texts cannot be used, or there are none.
    """
    kind = type(teacher)
    chosen = kind(StaticEncoder(), seed=teacher.seed) if student is None else clone(student)
    if not isinstance(chosen, kind):
        raise ConfigError(
            f"A {kind.__name__} teaches a {kind.__name__}, got {type(chosen).__name__}."
        )
    check_is_fitted(teacher)
    rows = teacher.fitted_.rows(unlabeled)
    known = _known(labelled)
    if _learns_shares(teacher, chosen):
        return _taught_shares(teacher, chosen, rows, known)
    texts = rows if known is None else rows.followed_by(known.rows)
    codec = teacher.fitted_.codec
    read = codec.values if isinstance(codec, LabelCodec) else as_values
    answers = read(teacher.predict(rows))
    _warn_of_missing(teacher, answers, known)
    if known is not None:
        answers = joined_values(answers, read(known.labels))
    return chosen.fit(texts, answers)


def _warn_of_missing(teacher: Any, answers: Any, known: Corpus | None) -> None:
    """Say which classes a student that learns answers will not know."""
    codec = teacher.fitted_.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single":
        return
    shown = [*answers, *(() if known is None else as_values(known.labels))]
    there = {key_of(label) for label in distinct(shown).tolist()}
    missing = [label for label in codec.classes.tolist() if key_of(label) not in there]
    if missing:
        logger.warning(
            "The teacher gives none of these texts the classes %s: the student will not know "
            "them. More texts, or labelled ones, would show them.",
            ", ".join(map(repr, missing)),
        )


def _known(labelled: Any) -> Corpus | None:
    if labelled is None or (isinstance(labelled, Corpus) and labelled.labels is not None):
        return labelled
    raise InputError(f"labelled must be a Corpus with labels, got {labelled!r}.")


def _learns_shares(teacher: Any, student: Any) -> bool:
    """Whether the student's head can be fitted to probabilities instead of labels.

    Nothing that the student was asked to do is left out for it: where there is more to it than
    a frozen encoder and logistic regression, it learns as it would from labels.
    """
    codec = teacher.fitted_.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or len(codec.classes) < 2:
        return False
    if student.transfer == "auto" or isinstance(student.transfer, Auto):
        return False
    transfers, head = as_transfers(student.transfer), student.head
    plain = isinstance(transfers.main, Frozen) and transfers == Transfers(transfers.main)
    solves = fusion_of(student.encoder) is None and isinstance(head, LogisticHead | None)
    return plain and solves and student.imbalance is None


def _taught_shares(teacher: Any, student: Any, rows: Rows, known: Corpus | None) -> Any:
    """Fit the student's head to the probabilities that the teacher gives."""
    shares, codec = sharpened(teacher.predict_proba(rows)), teacher.fitted_.codec
    if known is not None:
        certain = Targets(codec.encode(known.labels), shares.shape[1]).one_hot
        rows = rows.followed_by(known.rows)
        shares = np.concatenate([shares, certain])
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
    """Give probabilities (n, n_classes) that are surer of themselves.

    Examples
    --------
    >>> sharpened(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [[0.9, 0.1], [0.5, 0.5]]
    """
    powers = probabilities**_SHARPENING_POWER
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares

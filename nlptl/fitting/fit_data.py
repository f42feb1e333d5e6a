"""Read the data of a fit and check that it matches the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import replace

from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.corpus import Corpus, read_corpora
from nlptl.fitting.co_training import check_views
from nlptl.fitting.extra_rows import check_unlabeled, check_validation, with_edits
from nlptl.fitting.head_choice import check_head
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.source_rows import check_same_kind, labelled_source, with_source
from nlptl.fitting.training_data import (
    TrainingData,
    is_empty,
    labelled_rows,
    read_labelled,
    unlabeled_rows,
    with_missing_numbers,
    without_weightless,
)
from nlptl.fitting.transfer_checks import check_supported

_CORPORA = ("source", "unlabeled", "validation")


def read_data(
    plan: FitPlan,
    texts: TextsLike,
    answers: LabelsLike,
    *,
    sample_weight: Iterable[float] | None = None,
    **corpora: Corpus | Mapping[str, Corpus] | None,
) -> TrainingData:
    """Read and check the data of a fit.

    Parameters
    ----------
    plan : FitPlan
    texts, answers, sample_weight
        As for ``TextClassifier.fit``.
    **corpora
        ``source``, ``unlabeled`` and ``validation``, as for ``TextClassifier.fit``.

    Raises
    ------
    InputError
        If the data cannot be used.
    ConfigError
        If the data do not match the plan, or nothing uses an argument.
    """
    unknown = set(corpora).difference(_CORPORA)
    if unknown:
        raise TypeError(f"expected {', '.join(_CORPORA)}, got {min(unknown)!r}")
    additional = read_corpora({name: corpora.get(name) for name in _CORPORA})
    check_validation(plan, corpora.get("validation"))
    source = additional["source"]
    if source and is_empty(texts) and plan.transfers.meaning is None:
        _check_no_labels(answers, sample_weight)
        data = labelled_source(plan, source)
    else:
        data = without_weightless(read_labelled(plan, texts, answers, sample_weight))
    unlabeled = with_missing_numbers(unlabeled_rows(additional["unlabeled"]), plan.encoder)
    data = replace(data, unlabeled=unlabeled, source=source)
    check_supported(plan.transfers, data)
    data = with_source(with_edits(data, plan), plan.transfers)
    check_head(plan.head, data.codec)
    check_unlabeled(plan, data)
    check_views(plan)
    for corpus in additional["validation"].values():
        check_same_kind(corpus, data.rows)
    return replace(data, validation=labelled_rows(additional["validation"], data.codec))


def _check_no_labels(answers: LabelsLike, sample_weight: Iterable[float] | None) -> None:
    """Check that a fit without labelled target rows has no labels or weights for such rows."""
    has_answers = isinstance(answers, Sized) and len(answers)
    if has_answers or sample_weight is not None:
        name = "labels" if has_answers else "sample_weight"
        raise InputError(
            f"fit received {name} but no texts. Pass texts, or leave {name} out: the labels of the "
            "source are those of source=Corpus(texts, labels)."
        )

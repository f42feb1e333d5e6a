"""Rows of a source domain in a fit: as the labelled rows, or in addition to those of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.data.corpus import Corpus
from nlptl.data.indicators import Indicator
from nlptl.data.labels import LabelCodec, are_lists, distinct
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.source_share import weighted_source
from nlptl.fitting.training_data import TrainingData, with_missing_numbers
from nlptl.fitting.transfers import Transfers, read_sources, train_source_heads
from nlptl.transfer.instances import SourceRows


def labelled_source(plan: FitPlan, source: Mapping[str, Corpus]) -> TrainingData:
    """Return the rows of a source as the labelled rows of a fit without labelled target rows.

    Each row keeps the number of its corpus as its domain, counted from 1.

    Raises
    ------
    InputError
        If a corpus has no labels, or two corpora cannot be joined.
    """
    for corpus in source.values():
        check_labelled(corpus)
    corpora = list(source.values())
    answers = [plan.codec_kind.read(corpus.labels) for corpus in corpora]
    codec = plan.codec_kind.learn(_joined_answers(answers))
    rows, targets = corpora[0].rows, _targets(codec, corpora[0], 1)
    for number, corpus in enumerate(corpora[1:], 2):
        check_same_kind(corpus, rows)
        rows = rows.followed_by(corpus.rows)
        targets = targets.followed_by(_targets(codec, corpus, number))
    return TrainingData(with_missing_numbers(rows, plan.encoder), targets, codec)


def with_source(data: TrainingData, transfers: Transfers) -> TrainingData:
    """Add the labelled rows of the source to the data, if a transfer uses them.

    Classes that occur only in the source become classes of the model.

    Raises
    ------
    ConfigError
        If no transfer uses the source, or a transfer needs a source and there is none. If the
        source needs a head of its own.
    InputError
        If a corpus of the source has no labels, or if only one of source and target has pairs.
    """
    if not data.source:
        if "source" in transfers.needs:
            names = transfers.names_needing("source")
            raise ConfigError(
                f"{names} needs fit(..., source=Corpus(texts, labels)), got no source."
            )
        return _as_source(data) if transfers.compare_domains else data
    is_source = data.targets.domains is not None  # the labelled rows are those of the source
    _check_heads(data, transfers, has_target=bool(len(data.rows)) and not is_source)
    source_rows = transfers.source_rows
    if is_source or (source_rows is None and read_sources(transfers)):
        return data
    if source_rows is None:
        raise ConfigError(
            "fit received source=..., but no transfer uses it. Leave it out or add SourceRows()."
        )
    return data if source_rows.share == 0 else _with_corpora(data, source_rows)


def check_labelled(corpus: Corpus) -> None:
    """Check that a corpus of the source has labels.

    Raises
    ------
    InputError
        If it has none.
    """
    if corpus.labels is None:
        raise InputError(
            f"A source needs labels, but {corpus.title} has none. Pass Corpus(texts, labels)."
        )


def _check_heads(data: TrainingData, transfers: Transfers, *, has_target: bool) -> None:
    """Check the data of transfers that have a head of the target and one of the source."""
    has_heads = train_source_heads(transfers)
    if (has_heads or transfers.shares_head) and not has_target:
        raise ConfigError(
            f"{transfers.names_needing('source')} has a head of the target and one of the source, "
            "but fit received no labelled texts of the target. Pass some, or leave it out."
        )
    for corpus in data.source.values() if has_heads else ():
        check_labelled(corpus)


def _with_corpora(data: TrainingData, source_rows: SourceRows) -> TrainingData:
    """Add the corpora of the source, with their weights."""
    target = data.codec
    for number, corpus in enumerate(data.source.values(), 1):
        check_labelled(corpus)
        data = _with_corpus(_with_classes_of(data, corpus, target), corpus, number)
    return weighted_source(data, source_rows)


def _as_source(data: TrainingData) -> TrainingData:
    """Return the data with their labelled rows as the only source domain."""
    domains = np.ones(len(data.targets), dtype=np.int64)
    return replace(data, targets=replace(data.targets, domains=domains))


def _with_corpus(data: TrainingData, corpus: Corpus, number: int) -> TrainingData:
    if len(data.rows):
        check_same_kind(corpus, data.rows)
    return data.with_extra(corpus.rows, _targets(data.codec, corpus, number))


def _targets(codec: Any, corpus: Corpus, number: int) -> Targets:
    domains = np.full(len(corpus.rows), number, dtype=np.int64)
    return Targets(_checked(codec.encode, corpus), codec.n_outputs, domains=domains)


def _checked(read: Callable[[Any], Any], corpus: Corpus) -> Any:
    """Read the labels of a corpus; name the source in an error."""
    try:
        return read(corpus.labels)
    except InputError as problem:
        raise InputError(f"{problem} These are labels of {corpus.title} of the source.") from None


def check_same_kind(corpus: Corpus, rows: Rows) -> None:
    """Check that a corpus has pairs of texts if, and only if, the labelled rows are pairs.

    Raises
    ------
    InputError
        If only one of them has pairs.
    """
    if corpus.rows.are_pairs != rows.are_pairs:
        kinds = {True: "pairs of texts", False: "single texts"}
        raise InputError(
            f"{corpus.title} must have {kinds[rows.are_pairs]} like the labelled rows, got "
            f"{kinds[corpus.rows.are_pairs]}. Pass a corpus of the same kind."
        )


def _joined_answers(answers: list[Any]) -> Any:
    """Join the labels or numbers of several corpora."""
    if len(answers) == 1:
        return answers[0]
    if any(isinstance(part, Indicator) for part in answers):
        raise InputError(
            "Several sources cannot be joined if their labels are arrays of zeros and ones. Pass "
            "lists of labels, or one source."
        )
    kinds = {type(part) for part in answers}
    if len(kinds) > 1:
        raise InputError(
            "All sources must have one label per text, or all lists of labels, got both. Pass "
            "labels of one form."
        )
    if isinstance(answers[0], np.ndarray):
        return np.concatenate(answers)
    return kinds.pop()(label for part in answers for label in part)


def _with_classes_of(data: TrainingData, corpus: Corpus, target: Any) -> TrainingData:
    """Add the classes that occur only in a corpus of the source.

    Raises
    ------
    ConfigError
        If the corpus has several labels, and none of the target, whose codec is ``target``. A
        single other label is one more class.
    """
    codec = data.codec
    if not isinstance(codec, LabelCodec) or codec.form != "single" or data.names is not None:
        return data
    values = _checked(codec.values, corpus)
    if are_lists(values):
        return data
    classes, others = codec.classes.tolist(), distinct(values).tolist()
    if len(others) > 1 and not set(target.classes.tolist()) & set(others):
        raise ConfigError(
            f"No label of the target occurs in {corpus.title} of the source, which has labels such "
            f"as {others[0]!r} (target: {classes[0]!r}). Use [FullFineTune(), SourceTask()] with a "
            "transformer, which trains a head of its own for the source, or leave the source out."
        )
    new_codec = LabelCodec(distinct([*classes, *others]), "single")
    if new_codec.n_outputs == codec.n_outputs:
        return data

    def recoded(targets: Targets) -> Targets:
        codes = new_codec.encode(codec.decode(targets.codes))
        return replace(targets, codes=codes, n_outputs=new_codec.n_outputs)

    extra = data.extra
    if extra is not None:
        extra = extra[0], recoded(extra[1])
    return replace(data, codec=new_codec, targets=recoded(data.targets), extra=extra)

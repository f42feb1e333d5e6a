"""Data of a fit: labelled rows, extra rows, class names and validation rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelCodec, as_values
from nlptl.data.number_scale import NumberScale
from nlptl.data.numbers import as_weights
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.plan import FitPlan

_PROBE_ROWS = 8


@dataclass(frozen=True)
class TrainingData:
    """Data of a fit.

    Attributes
    ----------
    rows : Rows
        Labelled rows; not empty unless there are ``names``.
    targets : Targets
        Labels or numbers of the rows, as codes.
    codec : LabelCodec or NumberScale
        Converts answers to codes and back.
    names : list of list of str or None
        Texts that describe each class. None if they are not used.
    extra : (Rows, Targets) or None
        Rows of a source, edited copies, or rows that a model labelled. The head is also fitted
        to them. None of them is held out.
    unlabeled : Rows
        Unlabelled rows of the target; may be empty.
    source : mapping of str to Corpus
        Corpora of other domains or languages.
    validation : (Rows, Targets) or None
        Labelled rows that choose the best epoch.
    """

    rows: Rows
    targets: Targets
    codec: Any
    names: list[list[str]] | None = None
    extra: tuple[Rows, Targets] | None = None
    unlabeled: Rows = field(default_factory=lambda: Rows([]))
    source: Mapping[str, Corpus] = field(default_factory=dict)
    validation: tuple[Rows, Targets] | None = None

    @property
    def all_rows(self) -> tuple[Rows, Targets]:
        """Labelled rows and extra rows with their targets."""
        if self.extra is None:
            return self.rows, self.targets
        rows, targets = self.extra
        return self.rows.followed_by(rows), self.targets.followed_by(targets)

    def with_extra(self, rows: Rows, targets: Targets) -> TrainingData:
        """Return the same data with more extra rows."""
        if self.extra is not None:
            rows = self.extra[0].followed_by(rows)
            targets = self.extra[1].followed_by(targets)
        return replace(self, extra=(rows, targets))

    def without_source(self) -> TrainingData:
        """Return the same data without extra rows of a source."""
        if self.extra is None:
            return self
        rows, targets = self.extra
        others = np.flatnonzero(targets.domain_numbers == 0)
        extra = (rows.take(others), targets.take(others)) if len(others) else None
        return replace(self, extra=extra)

    def weighed_by(self, factors: FloatArray) -> TrainingData:
        """Return the same data with row weights multiplied by factors: (n,), for all rows."""
        n = len(self.targets)
        targets = self.targets.weighed_by(factors[:n])
        if self.extra is None:
            return replace(self, targets=targets)
        extra = self.extra[0], self.extra[1].weighed_by(factors[n:])
        return replace(self, targets=targets, extra=extra)

    @property
    def probe(self) -> Rows:
        """A few rows that test a saved model."""
        return (self.rows or Rows(self.flat_names))[:_PROBE_ROWS]

    @property
    def with_names(self) -> tuple[Rows, Targets]:
        """All rows with their targets, and the texts of the names as rows of their classes."""
        rows, targets = self.all_rows
        if self.names is None:
            return rows, targets
        codes = np.repeat(np.arange(len(self.names)), [len(texts) for texts in self.names])
        row_weights = self.targets.weights
        weights = None if row_weights is None else np.full(len(codes), row_weights.mean())
        names = Targets(codes, len(self.names), weights)
        return rows.followed_by(Rows(self.flat_names)), targets.followed_by(names)

    @property
    def flat_names(self) -> list[str]:
        """The texts of all names in one list."""
        return list(chain.from_iterable(self.names or ()))


def without_weightless(data: TrainingData) -> TrainingData:
    """Return the data without labelled rows of weight 0, which must not take part in any choice.

    The rows of a class stay if all of them have weight 0.
    """
    targets, weights = data.targets, data.targets.weights
    if weights is None or weights.all():
        return data
    counts = weights > 0
    if not targets.numeric:
        lost = (targets.counts > 0) & (targets.take(np.flatnonzero(counts)).counts == 0)
        codes = targets.codes
        counts |= codes[:, lost].any(axis=1) if codes.ndim == 2 else lost[codes]
    kept = np.flatnonzero(counts)
    return replace(data, rows=data.rows.take(kept), targets=targets.take(kept))


def read_labelled(
    plan: FitPlan, texts: TextsLike, answers: LabelsLike, sample_weight: Iterable[float] | None
) -> TrainingData:
    """Read texts, answers and weights.

    Parameters
    ----------
    plan : FitPlan
        If it uses class names, there may be no rows.
    texts, answers, sample_weight
        As for ``TextClassifier.fit``.

    Raises
    ------
    InputError, ConfigError
        If the texts, answers or weights cannot be used.
    """
    meaning, kind = plan.transfers.meaning, plan.codec_kind
    if meaning is None:
        rows = texts if isinstance(texts, Rows) else plan.rows(texts)
        codec = kind.learn(answers)
        return TrainingData(rows, targets_of(codec, answers, sample_weight, rows), codec)
    if kind is not LabelCodec:
        raise ConfigError("LabelMeaning() needs class names, but numbers have none. Leave it out.")
    rows = Rows([]) if is_empty(texts) else plan.rows(texts)
    plain = rows.numbers is None and not rows.are_pairs
    form = LabelCodec.learn(answers, least=0).form
    if form != "single" or not plain:
        raise ConfigError(
            "LabelMeaning() needs single texts with one label per text and no number columns, got "
            f"labels of form {form!r}, pairs={rows.are_pairs} and number columns="
            f"{rows.numbers is not None}. Leave it out."
        )
    labels = LabelCodec.learn([*as_values(answers), *meaning.labels])
    targets = targets_of(labels, answers, sample_weight, rows)
    return TrainingData(rows, targets, labels, meaning.texts(labels.classes.tolist()))


def targets_of(
    codec: LabelCodec | NumberScale,
    labels: LabelsLike,
    sample_weight: Iterable[float] | None,
    rows: Rows,
) -> Targets:
    """Join labels (or numbers) and weights, and check that their number matches the rows."""
    codes, n_rows = codec.encode(labels), len(rows)
    if len(codes) != n_rows:
        raise InputError(
            f"Each text needs one label, got {n_rows} texts and {len(codes)} labels. "
            "Pass one label for each text."
        )
    return Targets(codes, codec.n_outputs, as_weights(sample_weight, n_rows))


def labelled_rows(
    validation: Mapping[str, Corpus], codec: LabelCodec | NumberScale
) -> tuple[Rows, Targets] | None:
    """Return the rows of the corpus that chooses the best epoch, or None without one.

    Raises
    ------
    InputError
        If the corpus has no labels, or there are several corpora.
    """
    corpora = list(validation.values())
    if not corpora:
        return None
    if len(corpora) > 1 or corpora[0].labels is None:
        raise InputError(
            f"validation must be one Corpus with labels, got {corpora}. "
            "Pass validation=Corpus(texts, labels)."
        )
    targets = Targets(codec.encode(corpora[0].labels), codec.n_outputs)
    return corpora[0].rows, targets


def unlabeled_rows(unlabeled: Mapping[str, Corpus]) -> Rows:
    """Join unlabelled corpora into one list of rows.

    Raises
    ------
    InputError
        If some corpora have pairs of texts, and others have single texts.
    """
    if len({corpus.rows.are_pairs for corpus in unlabeled.values()}) > 1:
        raise InputError(
            "The unlabelled corpora must all have pairs of texts, or all single texts, got both. "
            "Pass corpora of one kind."
        )
    return Rows([text for corpus in unlabeled.values() for text in corpus.rows.texts])


def with_missing_numbers(rows: Rows, encoder: object) -> Rows:
    """Return rows without numbers with missing ones, if the encoder reads numeric columns."""
    columns = getattr(encoder, "numeric_columns", ())
    if not columns or not len(rows) or rows.numbers is not None:
        return rows
    return Rows(rows.texts, np.full((len(rows), len(columns)), np.nan))


def is_empty(texts: TextsLike) -> bool:
    """Return True for a container without texts."""
    return isinstance(texts, Sized) and not isinstance(texts, str | dict) and not len(texts)

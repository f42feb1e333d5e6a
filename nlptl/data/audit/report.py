"""The audit of a data set and its report, which can be printed and stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, Text, TextsLike
from nlptl.data.audit.duplicates import exact_groups, folded, near_pairs
from nlptl.data.labels import LabelCodec, as_values, values_at
from nlptl.data.numbers import as_numbers
from nlptl.data.rows import Rows, as_rows
from nlptl.data.tables.cells import blank_rows
from nlptl.data.targets import Targets

_NEAR_UP_TO = 20_000
_MAX_SHOWN = 10
_MAX_CLASSES_SHOWN = 20


@dataclass(frozen=True)
class AuditReport:
    """Results of an audit: counts and row numbers, never texts.

    Attributes
    ----------
    n_rows : int
        Number of checked rows.
    empty : int
        Number of rows without text.
    class_counts : dict
        Number of rows per class, by the class as a string, in the order of the classes.
    repeated : int
        Number of rows that repeat an earlier row, ignoring case and white space.
    conflicts : list of list of int
        The first few groups of rows with the same text and different labels.
    n_conflicts : int
        Number of such groups.
    near : list of (int, int) or None
        The first few pairs of rows that are almost equal; None if they were not searched.
    n_near : int
        Number of such pairs.
    leaked : dict
        For each additional split, the number of its rows that are also training rows.
    nearly_leaked : dict
        For each additional split, the number of its rows that are almost, but not exactly, equal to
        a training row; None if they were not searched.
    n_cut : int
        Number of rows longer than the encoder's window.
    longest : int
        Number of tokens of the longest row; 0 if tokens were not counted.
    share_beyond : float
        Share of all tokens beyond the window, from 0 to 1.
    window : int
        Maximum number of tokens that the encoder reads at once; 0 if tokens were not counted.
    unlabelled : int
        Number of rows with a blank label.
    """

    n_rows: int
    empty: int
    class_counts: dict[str, int]
    repeated: int
    conflicts: list[list[int]]
    n_conflicts: int
    near: list[tuple[int, int]] | None
    n_near: int
    leaked: dict[str, int] = field(default_factory=dict)
    nearly_leaked: dict[str, int | None] = field(default_factory=dict)
    n_cut: int = 0
    longest: int = 0
    share_beyond: float = 0.0
    window: int = 0
    unlabelled: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)

    @property
    def frequent_classes(self) -> dict[str, int]:
        """The 20 most frequent classes with their numbers of rows, the most frequent first."""
        ordered = sorted(self.class_counts.items(), key=lambda entry: -entry[1])
        return dict(ordered[:_MAX_CLASSES_SHOWN])

    @property
    def similar_classes(self) -> list[list[str]]:
        """Groups of classes whose names differ only by case or spaces."""
        groups: dict[object, list[str]] = defaultdict(list)
        for name in self.class_counts:
            groups[folded(name)].append(name)
        return [group for group in groups.values() if len(group) > 1]

    @property
    def warnings(self) -> list[str]:
        """Problems of the data to check before training, one sentence per problem."""
        counts = list(self.class_counts.values())
        rare = [f"{name} ({n})" for name, n in self.class_counts.items() if n < 5]
        similar = [
            ", ".join(f"{name!r} ({self.class_counts[name]})" for name in group)
            for group in self.similar_classes[:_MAX_SHOWN]
        ]
        sentences = {
            f"{self.empty} rows have no text.": self.empty,
            f"{self.unlabelled} rows have no label.": self.unlabelled,
            f"{self.repeated} rows repeat an earlier row.": self.repeated,
            f"{self.n_conflicts} texts have different labels, for example rows "
            f"{self.conflicts[0] if self.conflicts else []}.": self.n_conflicts,
            f"{self.n_near} pairs of rows are nearly the same, for example "
            f"{self.near[0] if self.near else ()}.": self.n_near,
            f"Classes with fewer than 5 rows: {', '.join(rare)}.": len(rare),
            "Labels that differ only by case or spaces count as different classes: "
            f"{'; '.join(similar)}.": len(similar),
            "The largest class has over 20 times the rows of the smallest; see the option "
            "imbalance.": counts and max(counts) > 20 * max(min(counts), 1),
            **{f"{n} rows of {name} are also training rows.": n for name, n in self.leaked.items()},
            **{
                f"{n} rows of {name} are nearly the same as training rows.": n
                for name, n in self.nearly_leaked.items()
            },
            f"{self.n_cut} texts are longer than the encoder's limit of {self.window} tokens "
            f"({self.share_beyond:.1%} of all tokens are beyond it).": self.n_cut,
        }
        return [sentence for sentence, applies in sentences.items() if applies]

    def __repr__(self) -> str:
        warnings = "".join(f"\n- {warning}" for warning in self.warnings)
        return f"{self._summary()}{warnings}"

    def _repr_html_(self) -> str:
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{n_rows}</td></tr>"
            for name, n_rows in self.frequent_classes.items()
        )
        hidden = len(self.class_counts) - len(self.frequent_classes)
        more = f"<p>and {hidden} other classes</p>" if hidden else ""
        head = "<thead><tr><th>class</th><th>rows</th></tr></thead>"
        table = f"<table>{head}<tbody>{rows}</tbody></table>{more}" if rows else ""
        return f"<p>{escape(self._summary())}</p><ul>{warnings}</ul>{table}"

    def _summary(self) -> str:
        return (
            f"Audit: {self.n_rows} rows, {len(self.class_counts)} classes, "
            f"{len(self.warnings)} warnings"
        )


def audit(
    texts: TextsLike,
    labels: LabelsLike | None = None,
    *,
    others: Mapping[str, TextsLike] | None = None,
    token_counts: IntArray | None = None,
    window: int = 0,
    numeric: bool = False,
) -> AuditReport:
    """Check a training set for repeats, conflicting labels, leaks and texts that are too long.

    Parameters
    ----------
    texts : list, Series, DataFrame or Rows
        The training texts. Empty texts are counted and raise no error.
    labels : sequence, optional
        Their labels. Blank labels are counted and raise no error.
    others : dict of name to texts, optional
        Additional splits. Their rows that are also in ``texts`` are counted as leaked.
    token_counts : ndarray of shape (n,), optional
        Number of tokens per text, counted with the tokenizer of the encoder.
    window : int
        Maximum number of tokens that the encoder reads at once.
    numeric : bool
        True if the labels are numbers. Numbers of one text then conflict if they differ by more
        than the standard deviation of all numbers.

    Returns
    -------
    AuditReport
        Almost equal rows are searched up to 20,000 rows, counted over both splits.

    Raises
    ------
    InputError
        If the number of labels differs from the number of texts.

    Examples
    --------
    >>> audit(["good", "bad", "Good"], ["+", "-", "-"]).n_conflicts
    1
    """
    plain = _plain_texts(texts)
    groups = _repeated(plain)
    judged = _judged(labels, groups, len(plain), numeric=numeric)
    across = {name: _across(plain, _plain_texts(other)) for name, other in (others or {}).items()}
    return _report(plain, groups, judged, across=across, token_counts=token_counts, window=window)


def audit_targets(
    rows: Rows,
    targets: Targets,
    classes: Sequence[object],
    *,
    others: Mapping[str, Sequence[Text]] | None = None,
    token_counts: IntArray | None = None,
    window: int = 0,
) -> AuditReport:
    """Check rows whose labels are read already, as ``audit`` does.

    Parameters
    ----------
    rows : Rows
    targets : Targets
        Classes or numbers of the rows.
    classes : sequence
        Labels of the classes. Of single labels, those without a row are left out of the report.
    others : dict of name to texts, optional
        Other texts of the fit. Only those that are equal to a row are counted as leaked.
    token_counts, window
        As for ``audit``.
    """
    groups = _repeated(rows.texts)
    counts = {}
    if not targets.numeric:
        named = zip(map(str, classes), targets.counts.tolist(), strict=True)
        counts = {name: count for name, count in named if count or targets.several}
    judged = counts, _conflicts(targets, groups), 0
    across = {name: (len(_equal(rows.texts, texts)), 0) for name, texts in (others or {}).items()}
    return _report(
        rows.texts, groups, judged, across=across, token_counts=token_counts, window=window
    )


def _report(
    texts: Sequence[Text],
    groups: list[list[int]],
    judged: tuple[dict[str, int], list[list[int]], int],
    *,
    across: Mapping[str, tuple[int, int | None]],
    token_counts: IntArray | None,
    window: int,
) -> AuditReport:
    counts, conflicts, unlabelled = judged
    near = near_pairs(texts) if len(texts) <= _NEAR_UP_TO else None
    tokens = np.zeros(0) if token_counts is None else token_counts
    over = np.maximum(tokens - window, 0)
    return AuditReport(
        n_rows=len(texts),
        empty=sum(map(_is_blank, texts)),
        class_counts=counts,
        repeated=sum(len(group) - 1 for group in groups),
        conflicts=conflicts[:_MAX_SHOWN],
        n_conflicts=len(conflicts),
        near=None if near is None else near[:_MAX_SHOWN],
        n_near=len(near or ()),
        leaked={name: exact for name, (exact, _) in across.items()},
        nearly_leaked={name: near for name, (_, near) in across.items()},
        n_cut=int((over > 0).sum()),
        longest=int(tokens.max(initial=0)),
        share_beyond=float(over.sum() / max(tokens.sum(), 1)),
        window=window,
        unlabelled=unlabelled,
    )


def _is_blank(text: Text) -> bool:
    return not "".join(text).strip()


def _repeated(texts: Sequence[Text]) -> list[list[int]]:
    """Return the groups of rows with the same text, without blank texts."""
    return [group for group in exact_groups(texts) if not _is_blank(texts[group[0]])]


def _plain_texts(texts: TextsLike) -> Sequence[Text]:
    """Return texts as a list, with blank texts, because the audit counts them."""
    return as_rows(texts, keep_blank=True).texts


def _across(texts: Sequence[Text], other: Sequence[Text]) -> tuple[int, int | None]:
    """Count the rows of another split that are equal, and almost equal, to rows of this split."""
    exact = _equal(texts, other)
    if len(texts) + len(other) > _NEAR_UP_TO:
        return len(exact), None
    crossing = {
        max(pair) - len(texts)
        for pair in near_pairs([*texts, *other])
        if min(pair) < len(texts) <= max(pair)
    }
    return len(exact), len(crossing - exact)


def _equal(texts: Sequence[Text], other: Sequence[Text]) -> set[int]:
    """Return the rows of another split that are equal to rows of this split."""
    training_texts = {folded(text) for text in texts}
    return {row for row, text in enumerate(other) if folded(text) in training_texts}


def _judged(
    labels: LabelsLike | None, groups: list[list[int]], n_texts: int, *, numeric: bool
) -> tuple[dict[str, int], list[list[int]], int]:
    """Return class counts, groups with conflicting labels, and the number of blank labels."""
    if labels is None:
        return {}, [], 0
    values = as_numbers(labels) if numeric else as_values(labels)
    if len(values) != n_texts:
        raise InputError(
            f"Each text needs one label, got {n_texts} texts and {len(values)} labels. Pass one "
            "label per text, or labels=None."
        )
    if isinstance(values, np.ndarray):
        return {}, _conflicts(Targets(values, 1), groups), 0
    blank = set(blank_rows(values))
    filled = [row for row in range(len(values)) if row not in blank]
    if not filled:
        return {}, [], len(blank)
    some = values_at(values, np.array(filled, np.int64))
    codec = LabelCodec.learn(some, least=0)
    targets = Targets(codec.encode(some), codec.n_outputs)
    names = [str(name) for name in codec.classes.tolist()]
    counts = dict(zip(names, targets.counts.tolist(), strict=True))
    return counts, _conflicts(targets, groups, {row: i for i, row in enumerate(filled)}), len(blank)


def _conflicts(
    targets: Targets, groups: list[list[int]], index_of: Mapping[int, int] | None = None
) -> list[list[int]]:
    """Return the groups of rows whose labels differ.

    ``index_of`` maps rows to their targets; rows that it lacks have no label.
    """
    conflicts, spread = [], targets.codes.std() if targets.numeric else 0.0
    for group in groups:
        indices = group
        if index_of is not None:
            indices = [index_of[row] for row in group if row in index_of]
        codes = targets.codes[indices]
        if len(codes) > 1 and np.ptp(codes, axis=0).max() > spread:
            conflicts.append(group)
    return conflicts

"""What an audit found, as a value that can be shown and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.data.audit.duplicates import exact_groups, folded, near_pairs
from nlptl.data.labels import LabelCodec, as_values, values_at
from nlptl.data.numbers import as_numbers
from nlptl.data.rows import Text, as_rows
from nlptl.data.tables.cells import is_blank
from nlptl.data.targets import Targets

_NEAR_UP_TO = 20_000
_MAX_SHOWN = 10


@dataclass(frozen=True)
class AuditReport:
    """What a look at the data found. Holds row numbers and counts, never text.

    Attributes
    ----------
    n_rows : int
        Rows looked at.
    empty : int
        Rows without text.
    class_counts : dict
        Rows of each class, by the class as a string, in the order of the classes.
    repeated : int
        Rows that repeat an earlier row exactly (case and white space aside).
    conflicts : list of list of int
        The first few groups of rows with the same text and different labels.
    n_conflicts : int
        How many such groups there are.
    near : list of (int, int) or None
        The first few pairs of rows that are nearly the same; None where it was not looked for.
    n_near : int
        How many such pairs there are.
    leaked : dict
        For each further split, how many of its rows stand in the training rows too.
    nearly_leaked : dict
        The same for rows that are nearly, but not exactly, a training row; None where it was not
        looked for.
    n_cut : int
        Rows longer than the encoder's window.
    longest : int
        Tokens of the longest row; 0 where it was not counted.
    share_beyond : float
        Share of all tokens that lies beyond the window, from 0 to 1.
    window : int
        Tokens the encoder reads at once; 0 where it was not counted.
    unlabelled : int
        Rows whose label is blank.
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
        """Describe the report with plain JSON values."""
        return asdict(self)

    @property
    def warnings(self) -> list[str]:
        """What a careful person would want to know before training, one sentence each."""
        counts = list(self.class_counts.values())
        rare = [f"{name} ({n})" for name, n in self.class_counts.items() if n < 5]
        sentences = {
            f"{self.empty} rows have no text.": self.empty,
            f"{self.unlabelled} rows have no label.": self.unlabelled,
            f"{self.repeated} rows repeat an earlier row.": self.repeated,
            f"{self.n_conflicts} texts carry different labels, for example rows "
            f"{self.conflicts[0] if self.conflicts else []}.": self.n_conflicts,
            f"{self.n_near} pairs of rows are nearly the same, for example "
            f"{self.near[0] if self.near else ()}.": self.n_near,
            f"Classes with fewer than 5 rows: {', '.join(rare)}.": len(rare),
            "The largest class is over 20 times the smallest; see the option imbalance.": counts
            and max(counts) > 20 * max(min(counts), 1),
            **{
                f"{n} rows of {name} stand in the training rows too.": n
                for name, n in self.leaked.items()
            },
            **{
                f"{n} rows of {name} are nearly the same as training rows.": n
                for name, n in self.nearly_leaked.items()
            },
            f"{self.n_cut} texts are longer than the encoder's {self.window} tokens "
            f"({self.share_beyond:.1%} of all tokens lie beyond).": self.n_cut,
        }
        return [sentence for sentence, true in sentences.items() if true]


def audit(
    texts: Any,
    labels: Any = None,
    *,
    others: dict[str, Any] | None = None,
    token_counts: IntArray | None = None,
    window: int = 0,
    numeric: bool = False,
) -> AuditReport:
    """Look for what spoils a training set: repeats, conflicting labels, leaks, texts too long.

    Parameters
    ----------
    texts : list, Series, DataFrame or Rows
        The training texts. Empty texts are counted here, not refused.
    labels : sequence, optional
        Their labels. Blank ones are counted here, not refused.
    others : dict of name to texts, optional
        Further splits; rows of theirs that stand in ``texts`` too are counted as leaked.
    token_counts : ndarray of shape (n,), optional
        Tokens of each text, as the encoder counts them.
    window : int
        Tokens the encoder reads at once.
    numeric : bool
        The labels are numbers: those of one text contradict each other where they lie further
        apart than the standard deviation of all.

    Returns
    -------
    AuditReport
        Near repeats are looked for up to 20,000 rows, both splits together.

    Examples
    --------
    >>> audit(["good", "bad", "Good"], ["+", "-", "-"]).n_conflicts
    1
    """
    plain = _plain_texts(texts)
    blank = {i for i, text in enumerate(plain) if not "".join(text).strip()}
    groups = [group for group in exact_groups(plain) if group[0] not in blank]
    counts, conflicts, unlabelled = _judged(labels, groups, numeric=numeric)
    near = near_pairs(plain) if len(plain) <= _NEAR_UP_TO else None
    across = {name: _across(plain, _plain_texts(other)) for name, other in (others or {}).items()}
    over = np.zeros(0) if token_counts is None else np.maximum(token_counts - window, 0)
    return AuditReport(
        n_rows=len(plain),
        empty=len(blank),
        class_counts=counts,
        repeated=sum(len(group) - 1 for group in groups),
        conflicts=conflicts[:_MAX_SHOWN],
        n_conflicts=len(conflicts),
        near=None if near is None else near[:_MAX_SHOWN],
        n_near=len(near or ()),
        leaked={name: exact for name, (exact, _) in across.items()},
        nearly_leaked={name: near for name, (_, near) in across.items()},
        n_cut=int((over > 0).sum()),
        longest=int(token_counts.max(initial=0)) if token_counts is not None else 0,
        share_beyond=float(over.sum() / max(token_counts.sum(), 1)) if len(over) else 0.0,  # type: ignore[union-attr]
        window=window,
        unlabelled=unlabelled,
    )


def _plain_texts(texts: Any) -> Sequence[Text]:
    """Give texts as a list; blanks stay, since they are to be counted."""
    return as_rows(texts, keep_blank=True).texts


def _across(texts: Sequence[Text], other: Sequence[Text]) -> tuple[int, int | None]:
    """Count the rows of another split that stand in this one too, exactly and nearly."""
    seen = {folded(text) for text in texts}
    exact = {row for row, text in enumerate(other) if folded(text) in seen}
    if len(texts) + len(other) > _NEAR_UP_TO:
        return len(exact), None
    crossing = {
        max(pair) - len(texts)
        for pair in near_pairs([*texts, *other])
        if min(pair) < len(texts) <= max(pair)
    }
    return len(exact), len(crossing - exact)


def _judged(
    labels: Any, groups: list[list[int]], *, numeric: bool
) -> tuple[dict[str, int], list[list[int]], int]:
    """Return the rows of each class, the groups whose labels conflict, and the blank labels."""
    if labels is None:
        return {}, [], 0
    if numeric:
        numbers = as_numbers(labels)
        return {}, [g for g in groups if np.ptp(numbers[g]) > numbers.std()], 0
    values = as_values(labels)
    blank = {row for row, label in enumerate(values) if is_blank(label)}
    filled = np.array([row for row in range(len(values)) if row not in blank], np.int64)
    if not len(filled):
        return {}, [], len(blank)
    some = values_at(values, filled)
    codec = LabelCodec.learn(some, least=0)
    codes = codec.encode(some)
    place = {int(row): code for row, code in zip(filled, codes, strict=True)}
    conflicts = [g for g in groups if _differ([place[row] for row in g if row in place])]
    counts = Targets(codes, len(codec.classes)).counts
    names = [str(name) for name in codec.classes.tolist()]
    return {n: int(count) for n, count in zip(names, counts, strict=True)}, conflicts, len(blank)


def _differ(codes: Sequence[Any]) -> bool:
    return len(codes) > 1 and len(np.unique(np.array(codes), axis=0)) > 1

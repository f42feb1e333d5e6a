"""The mistakes of a classifier on labelled texts, and the classes that it confuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.data.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5
_SHOWN_CHARACTERS = 70


@dataclass(frozen=True, eq=False)
class ErrorReport:
    """Mistakes on labelled texts.

    Attributes
    ----------
    rows : DataFrame
        One row per wrong text, the most confident mistake first. Columns: ``row`` (its number,
        from 0), ``text`` (or ``first`` and ``second``), ``label``, ``predicted``, and
        ``probability`` of the wrong prediction. With several labels per text, the last one is the
        probability of the wrong decision that the model was most certain of.
    confused : DataFrame
        With one label per text: ``label``, ``predicted`` and the number of such ``rows``, the
        most frequent first. With several: per ``label`` how often it was ``missed`` and ``added``.
    n_rows : int
        Number of labelled texts.
    """

    rows: pd.DataFrame
    confused: pd.DataFrame
    n_rows: int

    def __len__(self) -> int:
        """Return the number of wrong texts."""
        return len(self.rows)

    def __str__(self) -> str:
        share = len(self) / max(self.n_rows, 1)
        lines = [f"{len(self)} of {self.n_rows} texts are wrong ({share:.1%})."]
        if not len(self):
            return lines[0]
        single = "rows" in self.confused
        lines.append("Most often:" if single else "By label:")
        describe = _pair if single else _label
        most = self.confused.head(_SHOWN).itertuples(index=False)
        lines += [f"  {describe(*line)}" for line in most]
        lines.append("Most confident mistakes:")
        texts = self.rows["text"] if "text" in self.rows else self.rows["first"]
        columns = (self.rows[name] for name in ("label", "predicted", "probability"))
        for text, label, predicted, probability in list(zip(texts, *columns, strict=True))[:_SHOWN]:
            short = text[:_SHOWN_CHARACTERS] + ("..." if len(text) > _SHOWN_CHARACTERS else "")
            lines.append(f"  {probability:.2f}  {label} -> {predicted}: {short!r}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = self.rows.head(4 * _SHOWN)
        head = f"<p>{len(self)} of {self.n_rows} texts are wrong.</p>"
        return f"{head}{self.confused.head(4 * _SHOWN).to_html()}{shown.to_html()}"


def error_report(
    codec: Any, rows: Rows, truth: IntArray, chosen: IntArray, probabilities: FloatArray
) -> ErrorReport:
    """Collect the mistakes of a classifier.

    Parameters
    ----------
    codec : LabelCodec
        Converts codes to labels.
    rows : Rows
        The n texts.
    truth, chosen : ndarray of shape (n,) or (n, n_classes)
        True and predicted class codes, or zeros and ones for several labels per text.
    probabilities : ndarray of shape (n, n_classes)
    """
    import pandas as pd

    several = truth.ndim == 2
    differs = truth != chosen
    wrong = np.flatnonzero(differs.any(axis=1) if several else differs)
    if several:
        decided = np.where(chosen == 1, probabilities, 1 - probabilities)
        sure = np.where(differs, decided, 0.0)[wrong].max(axis=1, initial=0.0)
    else:
        sure = probabilities[wrong, chosen[wrong]]
    order = np.argsort(-sure, kind="stable")
    wrong, sure = wrong[order], sure[order]
    texts = rows.take(wrong).text_columns()
    labels, predicted = (_labels(codec, codes[wrong]) for codes in (truth, chosen))
    columns = {"label": labels, "predicted": predicted, "probability": sure.round(4)}
    table = pd.DataFrame({"row": wrong, **texts, **columns})
    confused = _by_label(codec, truth, chosen) if several else _confused(labels, predicted)
    return ErrorReport(table, confused, len(rows))


def _labels(codec: Any, codes: IntArray) -> list[Any]:
    """Return the label of each row, or the list of its labels."""
    classes = codec.classes.tolist()
    if codes.ndim == 1:
        return [classes[code] for code in codes]
    return [[classes[code] for code in np.flatnonzero(row)] for row in codes]


def _confused(labels: list[Any], predicted: list[Any]) -> pd.DataFrame:
    """Count the pairs of true and predicted label, the most frequent first."""
    import pandas as pd

    counts = Counter(zip(labels, predicted, strict=True)).most_common()
    lines = [(label, other, n) for (label, other), n in counts]
    table: pd.DataFrame = pd.DataFrame(lines, columns=["label", "predicted", "rows"])
    return table


def _by_label(codec: Any, truth: IntArray, chosen: IntArray) -> pd.DataFrame:
    """Count how often each label was missed and added, the most frequent mistakes first."""
    import pandas as pd

    missed, added = ((truth > chosen).sum(axis=0), (truth < chosen).sum(axis=0))
    table = pd.DataFrame({"label": codec.classes.tolist(), "missed": missed, "added": added})
    order = np.argsort(-(missed + added), kind="stable")
    n_wrong = int(((missed + added) > 0).sum())
    ordered: pd.DataFrame = table.iloc[order[:n_wrong]].reset_index(drop=True)
    return ordered


def _pair(label: Any, predicted: Any, n: int) -> str:
    return f"{label} -> {predicted}: {n} {'text' if n == 1 else 'texts'}"


def _label(label: Any, missed: int, added: int) -> str:
    return f"{label}: missed in {missed}, added in {added}"

"""How far a classifier got in each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.lazy import require
from nlptl.base.paths import user_path
from nlptl.data.columns import as_list
from nlptl.data.labels import LabelCodec, are_lists, as_values, distinct, values_at
from nlptl.data.rows import as_rows
from nlptl.encoders.bilingual.token_coverage import TokenCoverage, token_coverage
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.languages.language_classifier import LanguageClassifier
from nlptl.evaluation.class_metrics import accuracy, macro_f1
from nlptl.evaluation.intervals import Interval, bootstrap_interval, share_interval

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0
_INTERVALS = ("accuracy", "macro_f1", "gap", "behind")


@dataclass(frozen=True)
class LanguageScore:
    """What a classifier is worth in one language.

    Attributes
    ----------
    language : str
    rows : int
    accuracy, macro_f1 : Interval
    gap : Interval or None
        By how much the accuracy is below that in the source language; None for that itself.
    behind : Interval or None
        By how much it is below a classifier that learnt the language, on the same rows.
    reading : TokenCoverage or None
        What the tokenizer leaves of the texts; None where there is none.
    """

    language: str
    rows: int
    accuracy: Interval
    macro_f1: Interval
    gap: Interval | None = None
    behind: Interval | None = None
    reading: TokenCoverage | None = None


@dataclass(frozen=True)
class LanguageScores:
    """What a classifier is worth, language by language.

    Attributes
    ----------
    source : str or None
        The language that the others are held against.
    scores : tuple of LanguageScore
        The source first, the others from the best down.
    """

    source: str | None
    scores: tuple[LanguageScore, ...]

    def __getitem__(self, language: str) -> LanguageScore:
        return {one.language: one for one in self.scores}[language]

    def frame(self) -> pd.DataFrame:
        """Give one row a language, as a table."""
        import pandas as pd

        rows = []
        for one in self.scores:
            row: dict[str, Any] = {"language": one.language, "rows": one.rows}
            named = {name: getattr(one, name) for name in _INTERVALS}
            for name, found in named.items():
                if found is not None:
                    row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row | (asdict(one.reading) if one.reading else {}))
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def plot(self, path: str | Path) -> Path:
        """Draw the accuracy in each language with its interval, as a file that ends on its kind.

        Raises
        ------
        ConfigError
            If matplotlib is not there: it comes with the extra ``plots``.
        """
        figure_of = require("matplotlib.figure", extra="plots").Figure
        values = np.array([one.accuracy.value for one in self.scores])
        spans = np.array([[one.accuracy.low, one.accuracy.high] for one in self.scores]).T
        figure = figure_of(figsize=(1.5 + 0.6 * len(values), 3.5), layout="constrained")
        axes = figure.add_subplot()
        errors = np.abs(spans - values)
        colours = ["C1" if one.language == self.source else "C0" for one in self.scores]
        axes.bar([one.language for one in self.scores], values, color=colours, yerr=errors)
        for place, one in enumerate(self.scores):
            if one.behind is not None:
                own = one.accuracy.value + one.behind.value
                axes.hlines(own, place - 0.4, place + 0.4, colors="black", linestyles="dotted")
        axes.set_ylabel("accuracy")
        axes.set_ylim(0, 1)
        target = user_path(path)
        figure.savefig(target)
        return target


def score_languages(
    model: Any,
    texts: Any,
    labels: Any,
    languages: Sequence[str],
    *,
    source: str | None = None,
    own: Mapping[str, Any] | None = None,
) -> LanguageScores:
    """Score a classifier in each language of labelled texts, each with its 95 % interval.

    Parameters
    ----------
    model : TextClassifier or LanguageClassifier
        Fitted, or anything with ``predict``.
    texts, labels : sequence of length n
        As for ``model.predict``; one label a text.
    languages : sequence of str of length n
        What each text is in.
    source : str, optional
        What the model learnt from: the others are held against it.
    own : mapping of str to classifier, optional
        For a language, a classifier that learnt it.

    Raises
    ------
    InputError
        If lengths differ, or no text is in the source language or in one of ``own``.
    """
    rows, truth = as_rows(texts), as_values(labels)
    told = [str(one) for one in as_list(languages, what="languages")]
    if not len(rows) == len(truth) == len(told):
        raise InputError(
            f"Each text needs a label and a language, got {len(rows)} texts, {len(truth)} labels "
            f"and {len(told)} languages."
        )
    named = {*([source] if source is not None else []), *(own or {})}
    missing = sorted(named - set(told))
    if missing:
        raise InputError(f"No text is in {missing[0]!r}: there are {sorted(set(told))}.")
    single = [one for one in sorted(set(told)) if told.count(one) < 2]
    if single:
        raise InputError(f"There is one text in {single[0]!r}: nothing can be said of so few.")
    places = {one: np.flatnonzero(np.array(told) == one) for one in sorted(set(told))}
    parts = {one: _Part.of(model, rows, truth, some, one) for one, some in places.items()}
    scores = [
        LanguageScore(
            one,
            len(places[one]),
            part.share(),
            part.macro_f1(),
            None if source in (None, one) else parts[str(source)].above(part),
            _behind(part, (own or {}).get(one), rows.take(places[one])),
            _reading(model, rows.take(places[one]).texts),
        )
        for one, part in parts.items()
    ]
    scores.sort(key=lambda one: (one.language != source, -one.accuracy.value))
    return LanguageScores(source, tuple(scores))


@dataclass(frozen=True, eq=False)
class _Part:
    """The answers for the texts of one language."""

    truth: list[Any]
    said: IntArray
    codes: IntArray

    @classmethod
    def of(cls, model: Any, rows: Any, truth: Any, some: IntArray, language: str) -> _Part:
        own = list(values_at(truth, some))
        return cls(own, *_coded(own, _said(model, rows.take(some), language)))

    def right(self, rows: IntArray) -> float:
        return accuracy(self.codes[rows], self.said[rows])

    def share(self) -> Interval:
        return share_interval(int((self.codes == self.said).sum()), len(self.codes))

    def macro_f1(self) -> Interval:
        def figure(rows: IntArray) -> float:
            return macro_f1(self.codes[rows], self.said[rows])

        return bootstrap_interval(figure, lambda _: 0.0, len(self.codes), seed=_SEED)

    def above(self, other: _Part) -> Interval:
        """Give by how much this is above one of other rows: each is drawn by itself."""
        rng = np.random.default_rng(_SEED)
        apart = [
            self.right(rng.integers(0, len(self.codes), len(self.codes)))
            - other.right(rng.integers(0, len(other.codes), len(other.codes)))
            for _ in range(1_000)
        ]
        everything = self.right(np.arange(len(self.codes)))
        value = everything - other.right(np.arange(len(other.codes)))
        low, high = np.percentile(apart, [2.5, 97.5])
        return Interval(value, float(low), float(high))


def _said(model: Any, rows: Any, language: str) -> Any:
    """Ask a model, telling one for several languages which it is."""
    if isinstance(model, LanguageClassifier):
        return model.predict(rows, [language] * len(rows))
    return model.predict(rows)


def _coded(truth: list[Any], said: Any) -> tuple[IntArray, IntArray]:
    """Give codes for what was said, and for the truth."""
    answers = as_values(said)
    if are_lists(truth) or are_lists(answers):
        raise InputError("Languages are scored where a text has one label.")
    codec = LabelCodec(distinct([*truth, *answers]), "single")
    return codec.encode(answers), codec.encode(truth)


def _behind(part: _Part, other: Any, rows: Any) -> Interval | None:
    """Give by how much a classifier that learnt the language is better on the same rows."""
    if other is None:
        return None
    there = _Part(part.truth, *_coded(part.truth, other.predict(rows)))
    return bootstrap_interval(there.right, part.right, len(part.codes), seed=_SEED)


def _reading(model: Any, texts: Sequence[Any]) -> TokenCoverage | None:
    encoder = getattr(getattr(getattr(model, "fitted_", None), "features", None), "encoder", None)
    plain = all(isinstance(text, str) for text in texts)
    if not plain or not isinstance(encoder, TransformerEncoder):
        return None
    return token_coverage(encoder, texts)

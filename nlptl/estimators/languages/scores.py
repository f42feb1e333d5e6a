"""How far a classifier got in each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.names import suggest
from nlptl.data.labels import LabelCodec, as_values, values_at
from nlptl.data.rows import as_rows
from nlptl.encoders.bilingual.reading import Reading, reading_of
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.evaluation.intervals import Interval, bootstrap_interval
from nlptl.evaluation.scores import accuracy, macro_f1

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = {"accuracy": accuracy, "macro_f1": macro_f1}


@dataclass(frozen=True)
class LanguageScore:
    """What a classifier is worth in one language.

    Attributes
    ----------
    language : str
    rows : int
    score : Interval
    gap : Interval or None
        By how much that is below the score in the source language; None for that itself.
    behind : Interval or None
        By how much it is below a classifier that learnt the language, on the same rows.
    reading : Reading or None
        What the tokenizer leaves of the texts; None where there is none.
    """

    language: str
    rows: int
    score: Interval
    gap: Interval | None = None
    behind: Interval | None = None
    reading: Reading | None = None


@dataclass(frozen=True)
class LanguageScores:
    """What a classifier is worth, language by language.

    Attributes
    ----------
    metric : str
    source : str or None
        The language that the others are held against.
    scores : tuple of LanguageScore
        The source first, the others from the best down.
    """

    metric: str
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
            named = {self.metric: one.score, "gap": one.gap, "behind": one.behind}
            for name, found in named.items():
                if found is not None:
                    row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row | (asdict(one.reading) if one.reading else {}))
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def plot(self, path: str | Path) -> Path:
        """Draw the score in each language with its interval, as a file that ends on its kind.

        Raises
        ------
        ConfigError
            If matplotlib is not there: it comes with the extra ``plots``.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as problem:
            raise ConfigError("A plot needs matplotlib: pip install 'nlptl[plots]'.") from problem
        values = np.array([one.score.value for one in self.scores])
        spans = np.array([[one.score.low, one.score.high] for one in self.scores]).T
        figure = Figure(figsize=(1.5 + 0.6 * len(values), 3.5), layout="constrained")
        axes = figure.add_subplot()
        errors = np.abs(spans - values)
        colours = ["C1" if one.language == self.source else "C0" for one in self.scores]
        axes.bar([one.language for one in self.scores], values, color=colours, yerr=errors)
        for place, one in enumerate(self.scores):
            if one.behind is not None:
                own = one.score.value + one.behind.value
                axes.hlines(own, place - 0.4, place + 0.4, colors="black", linestyles="dotted")
        axes.set_ylabel(self.metric)
        axes.set_ylim(0, 1)
        figure.savefig(Path(path))
        return Path(path)


def score_languages(
    model: Any,
    texts: Any,
    labels: Any,
    languages: Sequence[str],
    *,
    source: str | None = None,
    own: Mapping[str, Any] | None = None,
    metric: str = "accuracy",
    seed: int = 0,
) -> LanguageScores:
    """Score a classifier in each language of labelled texts, each with its 95 % interval.

    Parameters
    ----------
    model : TextClassifier
        Fitted, or anything with ``predict``.
    texts, labels : sequence of length n
        As for ``model.predict``; one label a text.
    languages : sequence of str of length n
        What each text is in.
    source : str, optional
        What the model learnt from: the others are held against it.
    own : mapping of str to classifier, optional
        For a language, a classifier that learnt it.
    metric : {"accuracy", "macro_f1"}
    seed : int
        For the bootstrap.

    Raises
    ------
    InputError
        If lengths differ, or no text is in the source language or in one of ``own``.
    ConfigError
        If the metric is not known.
    """
    if metric not in _FIGURES:
        raise ConfigError(f"metric={metric!r} is not known here. {suggest(metric, _FIGURES)}")
    rows, truth, told = as_rows(texts), as_values(labels), [str(one) for one in languages]
    if not len(rows) == len(truth) == len(told):
        raise InputError(
            f"Each text needs a label and a language, got {len(rows)} texts, {len(truth)} labels "
            f"and {len(told)} languages."
        )
    named = {*([source] if source is not None else []), *(own or {})}
    missing = sorted(named - set(told))
    if missing:
        raise InputError(f"No text is in {missing[0]!r}: there are {sorted(set(told))}.")
    places = {one: np.flatnonzero(np.array(told) == one) for one in sorted(set(told))}
    parts = {one: _Part.of(model, rows, truth, some, metric) for one, some in places.items()}
    scores = [
        LanguageScore(
            one,
            len(places[one]),
            part.score(seed),
            None if source in (None, one) else parts[str(source)].above(part, seed),
            _behind(part, (own or {}).get(one), rows.take(places[one]), seed),
            _reading(model, rows.take(places[one]).texts),
        )
        for one, part in parts.items()
    ]
    scores.sort(key=lambda one: (one.language != source, -one.score.value))
    return LanguageScores(metric, source, tuple(scores))


@dataclass(frozen=True, eq=False)
class _Part:
    """The answers for the texts of one language."""

    truth: list[Any]
    said: IntArray
    codes: IntArray
    metric: str

    @classmethod
    def of(cls, model: Any, rows: Any, truth: Any, some: IntArray, metric: str) -> _Part:
        own = list(values_at(truth, some))
        return cls(own, *_coded(own, model.predict(rows.take(some))), metric)

    def figure(self, rows: IntArray) -> float:
        return _FIGURES[self.metric](self.codes[rows], self.said[rows])

    def score(self, seed: int) -> Interval:
        return bootstrap_interval(self.figure, lambda _: 0.0, len(self.codes), seed=seed)

    def above(self, other: _Part, seed: int) -> Interval:
        """Give by how much this is above one of other rows: each is drawn by itself."""
        rng = np.random.default_rng(seed)
        apart = [
            self.figure(rng.integers(0, len(self.codes), len(self.codes)))
            - other.figure(rng.integers(0, len(other.codes), len(other.codes)))
            for _ in range(1_000)
        ]
        everything = self.figure(np.arange(len(self.codes)))
        value = everything - other.figure(np.arange(len(other.codes)))
        low, high = np.percentile(apart, [2.5, 97.5])
        return Interval(value, float(low), float(high))


def _coded(truth: list[Any], said: Any) -> tuple[IntArray, IntArray]:
    """Give codes for what was said, and for the truth."""
    codec = LabelCodec.learn([*truth, *said], least=1)
    if codec.form != "single":
        raise InputError("Languages are scored where a text has one label.")
    return codec.encode(list(said)), codec.encode(truth)


def _behind(part: _Part, other: Any, rows: Any, seed: int) -> Interval | None:
    """Give by how much a classifier that learnt the language is better on the same rows."""
    if other is None:
        return None
    there = _Part(part.truth, *_coded(part.truth, other.predict(rows)), part.metric)
    return bootstrap_interval(there.figure, part.figure, len(part.codes), seed=seed)


def _reading(model: Any, texts: Sequence[Any]) -> Reading | None:
    encoder = getattr(getattr(getattr(model, "fitted_", None), "features", None), "encoder", None)
    plain = all(isinstance(text, str) for text in texts)
    return reading_of(encoder, texts) if isinstance(encoder, TransformerEncoder) and plain else None

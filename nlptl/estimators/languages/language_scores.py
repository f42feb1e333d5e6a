"""Score a classifier in each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, Text, TextsLike
from nlptl.base.optional_packages import require
from nlptl.base.paths import user_path
from nlptl.data.columns import as_list
from nlptl.data.labels import LabelCodec, LabelValues, are_lists, as_values, distinct, values_at
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.bilingual.token_coverage import TokenCoverage, token_coverage
from nlptl.encoders.tunable import is_tunable
from nlptl.estimators.languages.language_classifier import LanguageClassifier
from nlptl.evaluation.class_metrics import accuracy, macro_f1
from nlptl.evaluation.intervals import Interval, bootstrap_interval, share_interval

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0
_INTERVALS = ("accuracy", "macro_f1", "gap", "behind")


class LabelPredictor(Protocol):
    """Protocol of fitted classifiers, of nlptl or of another library."""

    def predict(self, texts: Rows) -> LabelsLike:
        """Return the label of each text."""
        ...


@dataclass(frozen=True)
class LanguageScore:
    """Scores of a classifier in one language.

    Attributes
    ----------
    language : str
    rows : int
        Number of texts in the language.
    accuracy, macro_f1 : Interval
    gap : Interval or None
        Accuracy in the source language minus accuracy in this language. None for the source
        language itself, or without a source language.
    behind : Interval or None
        Accuracy of a classifier fitted to this language minus accuracy of the scored classifier,
        on the same rows. None without such a classifier.
    reading : TokenCoverage or None
        How the tokenizer represents the texts. None if the encoder is no transformer, or for
        pairs of texts.
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
    """Scores of a classifier in several languages.

    Attributes
    ----------
    source : str or None
        The language that the others are compared with.
    scores : tuple of LanguageScore
        The source language first, then the others by falling accuracy.
    """

    source: str | None
    scores: tuple[LanguageScore, ...]

    def __getitem__(self, language: str) -> LanguageScore:
        return {score.language: score for score in self.scores}[language]

    def frame(self) -> pd.DataFrame:
        """Return the scores as a table with one row per language."""
        import pandas as pd

        rows = []
        for score in self.scores:
            row: dict[str, object] = {"language": score.language, "rows": score.rows}
            intervals = {name: getattr(score, name) for name in _INTERVALS}
            for name, interval in intervals.items():
                if interval is not None:
                    low, high = interval.low, interval.high
                    row |= {name: interval.value, f"{name}_low": low, f"{name}_high": high}
            rows.append(row | (asdict(score.reading) if score.reading else {}))
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def plot(self, path: str | Path) -> Path:
        """Plot the accuracy in each language with its interval, and write the plot to a file.

        A dotted line shows the accuracy of a classifier that was fitted to the language.

        Parameters
        ----------
        path : str or Path
            The file. Its ending selects the image format.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If matplotlib is not installed. The extra ``plots`` contains it.
        """
        figure_of = require("matplotlib.figure", extra="plots").Figure
        values = np.array([score.accuracy.value for score in self.scores])
        spans = np.array([[score.accuracy.low, score.accuracy.high] for score in self.scores]).T
        figure = figure_of(figsize=(1.5 + 0.6 * len(values), 3.5), layout="constrained")
        axes = figure.add_subplot()
        errors = np.abs(spans - values)
        colours = ["C1" if score.language == self.source else "C0" for score in self.scores]
        axes.bar([score.language for score in self.scores], values, color=colours, yerr=errors)
        for x, score in enumerate(self.scores):
            if score.behind is not None:
                accuracy_of_other = score.accuracy.value + score.behind.value
                axes.hlines(
                    accuracy_of_other, x - 0.4, x + 0.4, colors="black", linestyles="dotted"
                )
        axes.set_ylabel("accuracy")
        axes.set_ylim(0, 1)
        target = user_path(path)
        figure.savefig(target)
        return target


def score_languages(
    model: LabelPredictor,
    texts: TextsLike,
    labels: LabelsLike,
    languages: Sequence[str],
    *,
    source: str | None = None,
    alone: Mapping[str, LabelPredictor] | None = None,
) -> LanguageScores:
    """Score a classifier in each language of labelled texts, with 95 % intervals.

    Parameters
    ----------
    model : TextClassifier or LanguageClassifier
        A fitted classifier, or any object with ``predict``.
    texts, labels : sequence of length n
        As for ``model.predict``, with one label per text.
    languages : sequence of str of length n
        Language of each text.
    source : str, optional
        The language of the training texts. The other languages are compared with it.
    alone : mapping of str to classifier, optional
        Classifiers by language, each fitted to that language, to compare the model with.

    Returns
    -------
    LanguageScores

    Raises
    ------
    InputError
        If lengths differ, if a language has only one text, or if the source language or a
        language of ``alone`` has none.
    """
    rows, truth = as_rows(texts), as_values(labels)
    names = [str(language) for language in as_list(languages, what="languages")]
    if not len(rows) == len(truth) == len(names):
        raise InputError(
            f"Each text needs a label and a language, got {len(rows)} texts, {len(truth)} labels "
            f"and {len(names)} languages. Pass one of each per text."
        )
    required = {*([source] if source is not None else []), *(alone or {})}
    _check_languages(names, required)
    indices = {name: np.flatnonzero(np.array(names) == name) for name in sorted(set(names))}
    parts = {name: _Part.of(model, rows, truth, some, name) for name, some in indices.items()}
    scores = [
        LanguageScore(
            name,
            len(indices[name]),
            part.share(),
            part.macro_f1(),
            None if source in (None, name) else parts[str(source)].above(part),
            _behind(part, (alone or {}).get(name), rows.take(indices[name])),
            _reading(model, rows.take(indices[name]).texts),
        )
        for name, part in parts.items()
    ]
    scores.sort(key=lambda score: (score.language != source, -score.accuracy.value))
    return LanguageScores(source, tuple(scores))


def _check_languages(names: list[str], required: set[str]) -> None:
    """Check that each required language has texts, and that no language has only one text."""
    languages = sorted(set(names))
    missing = sorted(required - set(names))
    if missing:
        raise InputError(
            f"source and alone must name languages of the texts, {languages}, got {missing[0]!r}. "
            "Add texts in this language or leave it out."
        )
    single = [name for name in languages if names.count(name) < 2]
    if single:
        raise InputError(
            f"Each language needs at least two texts, got one text in {single[0]!r}. "
            "Add texts in this language or leave it out."
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """Codes of the predicted and of the true labels for the texts of one language."""

    truth: list[object]
    said: IntArray
    codes: IntArray

    @classmethod
    def of(
        cls,
        model: LabelPredictor,
        rows: Rows,
        truth: LabelValues,
        indices: IntArray,
        language: str,
    ) -> _Part:
        labels = list(values_at(truth, indices))
        return cls(labels, *_coded(labels, _predicted(model, rows.take(indices), language)))

    def right(self, rows: IntArray) -> float:
        return accuracy(self.codes[rows], self.said[rows])

    def share(self) -> Interval:
        return share_interval(int((self.codes == self.said).sum()), len(self.codes))

    def macro_f1(self) -> Interval:
        def figure(rows: IntArray) -> float:
            return macro_f1(self.codes[rows], self.said[rows])

        return bootstrap_interval(figure, lambda _: 0.0, len(self.codes), seed=_SEED)

    def above(self, other: _Part) -> Interval:
        """Return the accuracy here minus that on other rows. Both are resampled independently."""
        rng = np.random.default_rng(_SEED)
        differences = [
            self.right(rng.integers(0, len(self.codes), len(self.codes)))
            - other.right(rng.integers(0, len(other.codes), len(other.codes)))
            for _ in range(1_000)
        ]
        everything = self.right(np.arange(len(self.codes)))
        value = everything - other.right(np.arange(len(other.codes)))
        low, high = np.percentile(differences, [2.5, 97.5])
        return Interval(value, float(low), float(high))


def _predicted(model: LabelPredictor, rows: Rows, language: str) -> LabelsLike:
    """Return the predictions of a model. A ``LanguageClassifier`` also gets the language."""
    if isinstance(model, LanguageClassifier):
        return model.predict(rows, [language] * len(rows))
    return model.predict(rows)


def _coded(truth: list[object], predictions: LabelsLike) -> tuple[IntArray, IntArray]:
    """Return the codes of the predictions and the codes of the truth."""
    answers = as_values(predictions)
    if are_lists(truth) or are_lists(answers):
        raise InputError(
            "score_languages needs one label per text, got several labels per text. "
            "Use model.evaluate on the texts of each language."
        )
    codec = LabelCodec(distinct([*truth, *answers]), "single")
    return codec.encode(answers), codec.encode(truth)


def _behind(part: _Part, other: LabelPredictor | None, rows: Rows) -> Interval | None:
    """Return the accuracy of another classifier minus that of the part, on the same rows."""
    if other is None:
        return None
    compared = _Part(part.truth, *_coded(part.truth, other.predict(rows)))
    return bootstrap_interval(compared.right, part.right, len(part.codes), seed=_SEED)


def _reading(model: object, texts: Sequence[Text]) -> TokenCoverage | None:
    encoder = getattr(getattr(getattr(model, "fitted_", None), "features", None), "encoder", None)
    single = [text for text in texts if isinstance(text, str)]
    if len(single) < len(texts) or not is_tunable(encoder):
        return None
    return token_coverage(encoder, single)

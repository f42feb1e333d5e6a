"""One classifier for several languages, which steps aside where a language does better alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.described import entry, make
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.paths import user_path
from nlptl.base.renamed import RenamedAttribute
from nlptl.base.specs import NestedParams
from nlptl.data.columns import as_list
from nlptl.data.labels import are_lists, as_values, check_lengths, values_at
from nlptl.data.rows import Rows, as_rows
from nlptl.data.splits import group_split, stratified_split
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.evaluation.class_metrics import accuracy
from nlptl.evaluation.intervals import Interval, bootstrap_interval
from nlptl.saving.model_folder import refuse_foreign
from nlptl.saving.published import Published
from nlptl.storage.atomic import new_folder, saved_folder
from nlptl.storage.manifest import is_inside, verify_manifest, write_manifest
from nlptl.storage.untrusted import interpreting, read_json
from nlptl.training.processes import from_main

JOINT, ALONE = "joint", "alone"
_LISTED = "languages.json"
MIN_ROWS_TO_COMPARE = 20
"""Held-out rows of a language from which on it is judged."""


@dataclass(frozen=True)
class LanguageComparison:
    """How one language does together with the others, and alone.

    Attributes
    ----------
    language : str
    rows : int
        So many were held out and tested on.
    joint, alone : float or None
        Accuracy there; None where nothing was judged.
    gain : Interval or None
        By how much joint is above alone on the same rows, resampled.
    kept : {"joint", "alone"}
    """

    language: str
    rows: int
    joint: float | None
    alone: float | None
    gain: Interval | None
    kept: str


class LanguageClassifier(Published, NestedParams):
    """Learn from labelled texts of several languages together.

    A large language must not drown the small ones, so rows count as if languages were drawn by
    their sizes to the power of 1 over ``temperature`` [1]_. Joint training is known to hurt some
    languages [2]_: each is held against a classifier of its own on rows held out of it, and keeps
    that one where it is better. Then all of them learn from all rows.

    Parameters
    ----------
    model : TextClassifier or None
        What learns, fresh for each variant; None is ``TextClassifier()``. Give it an encoder that
        reads all the languages.
    temperature : float
        At least 1: 1 counts each row alike, more is nearer to each language alike.
    gate : bool or list of str
        Judge the languages, or those named; the joint classifier answers for the others.
    held_share : float
        Share of the rows held out for judging, above 0 and below 1.
    seed : int

    Attributes
    ----------
    joint_ : TextClassifier
    models_ : dict of str to TextClassifier
        What answers for each language.
    comparisons_ : dict of str to LanguageComparison

    References
    ----------
    .. [1] Arivazhagan et al., "Massively Multilingual Neural Machine Translation in the Wild",
       2019, arXiv:1907.05019.
    .. [2] Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale", ACL 2020,
       arXiv:1911.02116.

    Examples
    --------
    >>> from nlptl import TfidfEncoder, support_requests
    >>> texts, labels = support_requests()
    >>> german, _ = support_requests(language="de")
    >>> model = LanguageClassifier(TextClassifier(TfidfEncoder()))
    >>> model = model.fit([*texts, *german], [*labels, *labels], ["en"] * 480 + ["de"] * 480)
    >>> sorted(model.comparisons_)
    ['de', 'en']
    """

    kind = "language-classifier"
    standings_ = RenamedAttribute("comparisons_")

    def __init__(
        self,
        model: TextClassifier | None = None,
        *,
        temperature: float = 3.0,
        gate: bool | Sequence[str] = True,
        held_share: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.temperature = temperature
        self.gate = gate
        self.held_share = held_share
        self.seed = seed

    def fit(self, texts: Any, labels: Any, languages: Sequence[str], *, items: Any = None) -> Self:
        """Learn from the rows of all languages.

        Parameters
        ----------
        texts, labels
            As for ``TextClassifier.fit``, one label a text.
        languages : sequence of str of length n
            What each text is in.
        items : sequence of length n, optional
            Which rows say the same in other languages: they are held out together.

        Raises
        ------
        InputError
            If lengths differ, or a language to be judged is not there.
        ConfigError
            If ``temperature`` or ``held_share`` is out of range.
        """
        self._check()
        rows = _Labelled.read(texts, labels, languages)
        items = None if items is None else as_list(items, what="items")
        if items is not None and len(items) != len(rows.rows):
            raise InputError(f"Got {len(rows.rows)} texts and {len(items)} items.")
        judged = self._judged(sorted(set(rows.languages.tolist())))
        seen, held = self._split(rows, items)
        joint = self._fitted(rows.take(seen), weigh=True)
        standings = {}
        for language in sorted(set(rows.languages.tolist())):
            if language in judged:
                parts = (rows.of(language, within) for within in (seen, held))
                standings[language] = self._standing(language, joint, *parts)
            else:
                standings[language] = LanguageComparison(language, 0, None, None, None, JOINT)
        self.joint_ = self._fitted(rows, weigh=True) if len(held) else joint
        everything = np.arange(len(rows.rows))
        self.models_ = {
            language: self.joint_
            if standing.kept == JOINT
            else self._fitted(rows.of(language, everything), weigh=False)
            for language, standing in standings.items()
        }
        self.comparisons_ = standings
        return self

    def predict(self, texts: Any, languages: Sequence[str]) -> AnyArray:
        """Give a label for each text; for a language never seen, what the joint one says."""
        codec = self.joint_.fitted_.codec
        languages = as_list(languages, what="languages")
        codes = np.empty(len(languages), dtype=np.int64)
        for place, model, own in self._parts(texts, languages):
            codes[place] = codec.encode(model.predict(own))
        labels: AnyArray = codec.decode(codes)
        return labels

    def predict_proba(self, texts: Any, languages: Sequence[str]) -> FloatArray:
        """Give the probability of each class of ``joint_.classes_``: (n, n_classes).

        A class that the classifier of a language never saw gets 0.
        """
        classes = self.joint_.classes_.tolist()
        languages = as_list(languages, what="languages")
        shares = np.zeros((len(languages), len(classes)))
        for place, model, own in self._parts(texts, languages):
            columns = [classes.index(label) for label in model.classes_.tolist()]
            shares[np.ix_(place, columns)] = model.predict_proba(own)
        return shares

    def score(self, texts: Any, labels: Any, languages: Sequence[str]) -> float:
        """Give the share of texts that are labelled rightly.

        Raises
        ------
        InputError
            If a label is missing or of another type than the classes, or lengths differ.
        """
        codec = self.joint_.fitted_.codec
        truth = codec.encode(labels, allow_unseen=True)
        chosen = codec.encode(self.predict(texts, languages))
        check_lengths(truth, chosen)
        return accuracy(truth, chosen)

    def save(self, folder: str | Path) -> Path:
        """Write all classifiers into a folder, each once.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or a model cannot be saved.
        """
        check_is_fitted(self)
        place = user_path(folder)
        refuse_foreign(place)
        own = {n: m for n, m in self.models_.items() if m is not self.joint_}
        told = {"options": self._options(), "places": {}, "standings": {}}
        told["places"] = {name: f"alone-{number}" for number, name in enumerate(own)}
        told["standings"] = {name: asdict(one) for name, one in self.comparisons_.items()}
        with new_folder(place) as draft:
            self.joint_.save(draft / JOINT)
            for name, at in told["places"].items():
                own[name].save(draft / at)
            text = json.dumps(told, indent=1, ensure_ascii=False)
            (draft / _LISTED).write_text(text, encoding="utf-8")
            write_manifest(draft, kind=self.kind, version=version("nlptl"))
        return place

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what ``save`` wrote, every file checked.

        Raises
        ------
        StorageError
            If there is no such model.
        IntegrityError
            If a file was changed.
        """
        place = saved_folder(folder)
        verify_manifest(place, kind=cls.kind)
        with interpreting(place / _LISTED):
            return cls._read(place, read_json(place / _LISTED))

    @classmethod
    def _read(cls, folder: Path, described: Any) -> Self:
        made = make(cls, described["options"])
        made.joint_ = TextClassifier.load(folder / JOINT)
        made.model = clone(made.joint_)
        made.comparisons_ = {
            name: make(
                LanguageComparison, {**one, "gain": one["gain"] and make(Interval, one["gain"])}
            )
            for name, one in entry(described, "standings", dict[str, Any]).items()
        }
        places = entry(described, "places", dict[str, str])
        outside = [at for at in places.values() if not is_inside(at)]
        if outside or not set(places) <= set(made.comparisons_):
            raise ValueError(f"classifiers of single languages in {str(places)[:80]}")
        own = {name: TextClassifier.load(folder / at) for name, at in places.items()}
        for model in own.values():
            if not set(model.classes_.tolist()) <= set(made.joint_.classes_.tolist()):
                raise ValueError("a language has classes that the joint classifier lacks")
        made.models_ = {name: own.get(name, made.joint_) for name in made.comparisons_}
        return made

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

    def _options(self) -> dict[str, Any]:
        gate = self.gate if isinstance(self.gate, bool) else list(self.gate)
        return {
            "temperature": self.temperature,
            "gate": gate,
            "held_share": self.held_share,
            "seed": self.seed,
        }

    def _check(self) -> None:
        if not self.temperature >= 1:
            raise ConfigError(f"temperature must be at least 1, got {self.temperature}.")
        if not 0 < self.held_share < 1:
            raise ConfigError(f"held_share must lie between 0 and 1, got {self.held_share}.")

    def _judged(self, known: list[str]) -> set[str]:
        if isinstance(self.gate, bool):
            return set(known) if self.gate else set()
        missing = sorted(set(self.gate) - set(known))
        if missing:
            raise InputError(f"gate names {missing[0]!r}, and there are {known}.")
        return set(self.gate)

    def _split(self, rows: _Labelled, items: Any) -> tuple[IntArray, IntArray]:
        everything = np.arange(len(rows.rows))
        if not self.gate:
            return everything, everything[:0]
        if items is not None:
            return group_split(items, test_share=self.held_share, seed=self.seed)
        strata = [f"{one}\0{label}" for one, label in zip(rows.languages, rows.labels, strict=True)]
        return stratified_split(strata, test_share=self.held_share, seed=self.seed)

    def _fitted(self, rows: _Labelled, *, weigh: bool) -> TextClassifier:
        model = TextClassifier() if self.model is None else clone(self.model)
        weights = balanced(rows.languages, self.temperature) if weigh else None
        fitted: TextClassifier = model.fit(rows.rows, rows.labels, sample_weight=weights)
        return fitted

    def _standing(
        self, language: str, joint: TextClassifier, seen: _Labelled, held: _Labelled
    ) -> LanguageComparison:
        """Hold the joint classifier against one of the language's own."""
        if len(held.rows) < MIN_ROWS_TO_COMPARE or len(set(map(str, seen.labels))) < 2:
            return LanguageComparison(language, len(held.rows), None, None, None, JOINT)
        alone = self._fitted(seen, weigh=False)
        right = [held.right(model) for model in (joint, alone)]
        means = [float(one.mean()) for one in right]
        gain = bootstrap_interval(
            lambda some: float(right[0][some].mean()),
            lambda some: float(right[1][some].mean()),
            len(held.rows),
            seed=self.seed,
        )
        # Of several processes the first one decides: sums may differ in the last digits.
        kept = from_main(lambda: JOINT if means[0] >= means[1] else ALONE)
        return LanguageComparison(language, len(held.rows), means[0], means[1], gain, kept)

    def _parts(
        self, texts: Any, languages: Sequence[str]
    ) -> list[tuple[IntArray, TextClassifier, Rows]]:
        """Deal texts to the classifiers that answer for them."""
        check_is_fitted(self)
        rows = as_rows(texts)
        told = [str(one) for one in as_list(languages, what="languages")]
        if len(rows) != len(told):
            raise InputError(
                f"Each text needs a language, got {len(rows)} texts and {len(told)} languages."
            )
        asked = [self.models_.get(one, self.joint_) for one in told]
        places = {
            id(model): np.array([i for i, one in enumerate(asked) if one is model])
            for model in (self.joint_, *self.models_.values())
        }
        models = {id(model): model for model in (self.joint_, *self.models_.values())}
        return [(p, models[key], rows.take(p)) for key, p in places.items() if len(p)]


def _standing(described: dict[str, Any]) -> LanguageComparison:
    gain = described["gain"]
    return make(LanguageComparison, {**described, "gain": gain and make(Interval, gain)})


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Texts with their labels and languages."""

    rows: Rows
    labels: list[Any]
    languages: AnyArray

    @classmethod
    def read(cls, texts: Any, labels: Any, languages: Sequence[str]) -> _Labelled:
        rows, values = as_rows(texts), as_values(labels)
        told = np.array([str(one) for one in as_list(languages, what="languages")])
        if are_lists(values):
            raise InputError("Languages are learnt together where a text has one label.")
        if not len(rows) == len(values) == len(told):
            raise InputError(
                f"Each text needs a label and a language, got {len(rows)} texts, {len(values)} "
                f"labels and {len(told)} languages."
            )
        return cls(rows, list(values), told)

    def take(self, some: IntArray) -> _Labelled:
        labels = list(values_at(self.labels, some))
        return _Labelled(self.rows.take(some), labels, self.languages[some])

    def of(self, language: str, within: IntArray) -> _Labelled:
        return self.take(within[self.languages[within] == language])

    def right(self, model: TextClassifier) -> FloatArray:
        codec = model.fitted_.codec
        truth = codec.encode(self.labels, allow_unseen=True)
        right: AnyArray = codec.encode(model.predict(self.rows)) == truth
        return right.astype(np.float64)


def balanced(languages: AnyArray, temperature: float) -> FloatArray:
    """Give weights by which languages count as their sizes to the power of 1 / temperature: (n,).

    Their mean is 1.

    Examples
    --------
    >>> balanced(np.array(["en"] * 4 + ["fi"]), 2.0).round(2).tolist()
    [0.83, 0.83, 0.83, 0.83, 1.67]
    """
    _, place, sizes = np.unique(languages, return_inverse=True, return_counts=True)
    shares = sizes ** (1 / temperature)
    shares = shares / shares.sum()
    return np.asarray((shares / sizes)[place] * len(place), np.float64)

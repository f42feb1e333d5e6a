"""Fit one joint classifier for several languages, and separate ones where they are better."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
from nlptl.base.inputs import JsonObject, LabelsLike, TextsLike
from nlptl.base.paths import user_path
from nlptl.base.renamed import RenamedAttribute
from nlptl.base.specs import NestedParams
from nlptl.data.columns import as_list
from nlptl.data.labels import check_lengths
from nlptl.data.rows import Rows, as_rows
from nlptl.estimators.hub_methods import HubMethods
from nlptl.estimators.languages.language_rows import LanguageRows
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.evaluation.judge import judge_fitted
from nlptl.evaluation.verdict import Verdict
from nlptl.saving.model_folder import refuse_foreign
from nlptl.storage.atomic import new_folder, saved_folder
from nlptl.storage.manifest import is_inside, verify_manifest, write_manifest
from nlptl.storage.untrusted import interpreting, read_json
from nlptl.training.processes import from_main

JOINT, ALONE = "joint", "alone"
_LISTED = "languages.json"
MIN_ROWS_TO_COMPARE = 20
"""Minimum number of held-out rows to compare the classifiers of a language."""


class LanguageClassifier(HubMethods, NestedParams):
    """Classify texts of several languages with one joint classifier, or with one per language.

    The joint classifier is fitted to the rows of all languages. Row weights keep a large language
    from dominating the small ones: languages count in proportion to their size to the power of
    1 / ``temperature`` [1]_. Joint training can reduce the accuracy of some languages [2]_. So
    ``fit`` compares the joint classifier with a separate classifier of each language on held-out
    rows. A language keeps its separate classifier only if that one is better. Finally, all
    classifiers in use are fitted to all of their rows.

    Parameters
    ----------
    model : TextClassifier or None
        Unfitted classifier that is cloned for each fit. Its encoder must read all the languages.
        None is ``TextClassifier()``.
    temperature : float
        Balance of the languages, at least 1. With 1 each row has the same weight. Higher values
        make the weights of the languages more equal.
    gate : bool or list of str
        True to compare the classifiers of all languages, or a list of the languages to compare.
        All other languages use the joint classifier.
    held_share : float
        Share of the rows that is held out for the comparison, above 0 and below 1.
    seed : int

    Attributes
    ----------
    joint_ : TextClassifier
        The classifier that is fitted to all languages.
    models_ : dict of str to TextClassifier
        The classifier in use for each language.
    comparisons_ : dict of str to Verdict
        Verdict on the joint and the separate classifier of each language, on held-out rows.

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

    def fit(
        self,
        texts: TextsLike,
        labels: LabelsLike,
        languages: Sequence[str],
        *,
        items: Iterable[object] | None = None,
    ) -> Self:
        """Fit the joint classifier, compare it per language, and fit separate ones if needed.

        Parameters
        ----------
        texts, labels
            As for ``TextClassifier.fit``, with one label per text.
        languages : sequence of str of length n
            Language of each text.
        items : sequence of length n, optional
            Group of each row. Translations of the same text share an item and are held out
            together.

        Raises
        ------
        InputError
            If lengths differ, or ``gate`` names a language without rows.
        ConfigError
            If ``temperature`` or ``held_share`` is out of range.
        """
        self._check()
        rows = LanguageRows.read(texts, labels, languages)
        groups = None if items is None else rows.checked_items(items)
        compared = self._compared(sorted(set(rows.languages.tolist())))
        everything = np.arange(len(rows.rows))
        share = self.held_share if self.gate else 0.0
        train, test = rows.split(share, seed=self.seed, items=groups)
        joint = self._fitted(rows.take(train), f"{JOINT}-compared")
        comparisons = {}
        for language in sorted(set(rows.languages.tolist())):
            if language in compared:
                parts = (rows.of(language, within) for within in (train, test))
                comparisons[language] = self._compare(joint, *parts)
            else:
                comparisons[language] = Verdict.without_comparison(JOINT, metric="accuracy")
        self.joint_ = self._fitted(rows, JOINT) if len(test) else joint
        self.models_ = {
            language: self.joint_
            if comparison.kept == JOINT
            else self._fitted(rows.of(language, everything), f"{ALONE}-{language}")
            for language, comparison in comparisons.items()
        }
        self.comparisons_ = comparisons
        return self

    def predict(self, texts: TextsLike, languages: Sequence[str]) -> AnyArray:
        """Return the label of each text. The joint classifier predicts unknown languages."""
        check_is_fitted(self)
        codec = self.joint_.fitted_.codec
        languages = as_list(languages, what="languages")
        codes = np.empty(len(languages), dtype=np.int64)
        for indices, model, rows in self._parts(texts, languages):
            codes[indices] = codec.encode(model.predict(rows))
        labels: AnyArray = codec.decode(codes)
        return labels

    def predict_proba(self, texts: TextsLike, languages: Sequence[str]) -> FloatArray:
        """Return the probability of each class of ``joint_.classes_``: (n, n_classes).

        A class that the classifier of a language was not fitted to gets 0.
        """
        check_is_fitted(self)
        classes = self.joint_.classes_.tolist()
        languages = as_list(languages, what="languages")
        shares = np.zeros((len(languages), len(classes)))
        for indices, model, rows in self._parts(texts, languages):
            columns = [classes.index(label) for label in model.classes_.tolist()]
            shares[np.ix_(indices, columns)] = model.predict_proba(rows)
        return shares

    def score(self, texts: TextsLike, labels: LabelsLike, languages: Sequence[str]) -> float:
        """Return the accuracy: the share of texts with the correct label.

        Raises
        ------
        InputError
            If a label is missing or of another type than the classes, or lengths differ.
        """
        codec = self.joint_.fitted_.codec
        truth = codec.encode(labels, allow_unseen=True)
        chosen = codec.encode(self.predict(texts, languages))
        check_lengths(truth, chosen)
        return float(np.mean(truth == chosen))

    def save(self, folder: str | Path) -> Path:
        """Write all classifiers into a folder, each of them once.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or a model cannot be saved.
        """
        check_is_fitted(self)
        target = user_path(folder)
        refuse_foreign(target)
        separate = {n: m for n, m in self.models_.items() if m is not self.joint_}
        described = {"options": self._options(), "places": {}, "standings": {}}
        described["places"] = {name: f"alone-{number}" for number, name in enumerate(separate)}
        described["standings"] = {
            name: comparison.to_json() for name, comparison in self.comparisons_.items()
        }
        with new_folder(target) as draft:
            self.joint_.save(draft / JOINT)
            for name, subfolder in described["places"].items():
                separate[name].save(draft / subfolder)
            text = json.dumps(described, indent=1, ensure_ascii=False)
            (draft / _LISTED).write_text(text, encoding="utf-8")
            write_manifest(draft, kind=self.kind, version=version("nlptl"))
        return target

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a model that ``save`` wrote, and check every file.

        Raises
        ------
        StorageError
            If the folder holds no such model.
        IntegrityError
            If a file was changed.
        """
        source = saved_folder(folder)
        verify_manifest(source, kind=cls.kind)
        with interpreting(source / _LISTED):
            return cls._read(source, read_json(source / _LISTED))

    @classmethod
    def _read(cls, folder: Path, described: object) -> Self:
        model = make(cls, entry(described, "options", JsonObject))
        model.joint_ = TextClassifier.load(folder / JOINT)
        model.model = clone(model.joint_)
        model.comparisons_ = {
            name: Verdict.from_json(comparison)
            for name, comparison in entry(described, "standings", dict[str, object]).items()
        }
        subfolders = entry(described, "places", dict[str, str])
        outside = [subfolder for subfolder in subfolders.values() if not is_inside(subfolder)]
        if outside or not set(subfolders) <= set(model.comparisons_):
            raise ValueError(f"classifiers of single languages in {str(subfolders)[:80]}")
        separate = {
            name: TextClassifier.load(folder / subfolder) for name, subfolder in subfolders.items()
        }
        for classifier in separate.values():
            if not set(classifier.classes_.tolist()) <= set(model.joint_.classes_.tolist()):
                raise ValueError("a language has classes that the joint classifier lacks")
        model.models_ = {name: separate.get(name, model.joint_) for name in model.comparisons_}
        return model

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
            raise ConfigError(f"held_share must be above 0 and below 1, got {self.held_share}.")

    def _compared(self, languages: list[str]) -> set[str]:
        if isinstance(self.gate, bool):
            return set(languages) if self.gate else set()
        missing = sorted(set(self.gate) - set(languages))
        if missing:
            raise InputError(
                f"gate must list languages of the rows, {languages}, got {missing[0]!r}. "
                "Add rows of this language or leave it out."
            )
        return set(self.gate)

    def _fitted(self, rows: LanguageRows, name: str) -> TextClassifier:
        """Fit a classifier. The name is that of its rows, for a folder of its checkpoints."""
        model = TextClassifier() if self.model is None else clone(self.model)
        temperature = self.temperature if name.startswith(JOINT) else None
        return rows.fit(model, name, temperature=temperature)

    def _compare(self, joint: TextClassifier, train: LanguageRows, test: LanguageRows) -> Verdict:
        """Compare the joint classifier with a separate classifier of one language."""
        if len(test.rows) < MIN_ROWS_TO_COMPARE or len(set(map(str, train.labels))) < 2:
            return Verdict.without_comparison(JOINT, metric="accuracy")
        language = str(train.languages[0])
        alone = self._fitted(train, f"{ALONE}-compared-{language}")
        figures = {
            name: test.accuracy_of(model) for name, model in ((JOINT, joint), (ALONE, alone))
        }
        # The main process decides for all, as sums may differ in the last digits.
        described = from_main(
            lambda: judge_fitted(
                figures, len(test.rows), metric="accuracy", seed=self.seed
            ).to_json()
        )
        return Verdict.from_json(described)

    def _parts(
        self, texts: TextsLike, languages: Sequence[str]
    ) -> list[tuple[IntArray, TextClassifier, Rows]]:
        """Assign the texts to the classifiers: row indices, classifier and rows of each."""
        check_is_fitted(self)
        rows = as_rows(texts)
        names = [str(language) for language in as_list(languages, what="languages")]
        if len(rows) != len(names):
            raise InputError(
                f"Each text needs a language, got {len(rows)} texts and {len(names)} languages. "
                "Pass one language per text."
            )
        classifiers = [self.models_.get(name, self.joint_) for name in names]
        indices = {
            id(model): np.array([i for i, chosen in enumerate(classifiers) if chosen is model])
            for model in (self.joint_, *self.models_.values())
        }
        models = {id(model): model for model in (self.joint_, *self.models_.values())}
        return [(some, models[key], rows.take(some)) for key, some in indices.items() if len(some)]

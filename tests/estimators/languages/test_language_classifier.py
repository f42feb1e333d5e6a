import json

import numpy as np
import pytest
from sklearn.base import clone

from nlptl import (
    LanguageClassifier,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, InputError, IntegrityError, StorageError
from nlptl.estimators.languages.language_rows import LanguageRows
from nlptl.storage.manifest import write_manifest

WORDS = [f"word{i}" for i in range(12)]


@pytest.fixture(scope="module")
def rows():
    """Two languages that agree, and one in which every word says the contrary."""
    rng = np.random.default_rng(0)
    texts, labels, languages = [], [], []
    for language, n in (("en", 300), ("de", 100), ("xx", 100)):
        for _ in range(n):
            good = bool(rng.integers(2))
            half = WORDS[:6] if good else WORDS[6:]
            texts.append(" ".join(rng.choice(half, 4)))
            labels.append("yes" if good != (language == "xx") else "no")
            languages.append(language)
    return texts, labels, languages


@pytest.fixture(scope="module")
def model(rows):
    return LanguageClassifier(TextClassifier(TfidfEncoder()), temperature=1.0).fit(*rows)


def test_a_language_that_is_hurt_gets_a_classifier_of_its_own(model, rows):
    found = model.comparisons_
    assert {name: one.kept for name, one in found.items()} == {
        "de": "joint",
        "en": "joint",
        "xx": "alone",
    }
    assert found["xx"].figures["alone"] == 1.0 and found["xx"].figures["joint"] < 0.5
    assert found["xx"].gain.high < 0 and found["xx"].n_rows == pytest.approx(20, abs=2)
    assert model.models_["xx"] is not model.joint_ and model.models_["de"] is model.joint_
    assert model.score(*rows) > 0.98
    assert model.joint_.score(rows[0], rows[1]) < 0.9


def test_each_text_is_answered_by_the_classifier_of_its_language(model):
    asked = ["word0 word1 word2"] * 4
    said = model.predict(asked, ["xx", "en", "unseen", "xx"])
    assert said.tolist() == ["no", "yes", "yes", "no"]
    shares = model.predict_proba(asked, ["xx", "en", "unseen", "xx"])
    assert model.joint_.classes_[shares.argmax(axis=1)].tolist() == said.tolist()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_without_a_gate_one_classifier_answers_for_all(rows):
    model = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False).fit(*rows)
    assert set(map(id, model.models_.values())) == {id(model.joint_)}
    named = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=["de"]).fit(*rows)
    assert named.comparisons_["xx"].figures == {}
    assert set(named.comparisons_["de"].figures) == {"joint", "alone"}


def test_temperature_lets_small_languages_count_more(rows):
    weighed = [
        LanguageClassifier(TextClassifier(TfidfEncoder()), temperature=t, gate=False).fit(*rows)
        for t in (1, 1e9)
    ]
    sure = [one.predict_proba(["word0"], ["en"])[0].max() for one in weighed]
    assert sure[0] > sure[1] + 0.02, "the language that says the contrary counts more"


def test_translations_of_a_row_are_held_out_with_it():
    texts = [f"{word} {i}" for i in range(60) for word in ("cat", "katze")]
    labels = ["a" if i % 2 else "b" for i in range(60) for _ in range(2)]
    languages, items = ["en", "de"] * 60, [i for i in range(60) for _ in range(2)]
    rows = LanguageRows.read(texts, labels, languages)
    _, held = rows.split(0.4, seed=0, items=rows.checked_items(items))
    assert all(np.isin([2 * (i // 2), 2 * (i // 2) + 1], held).all() for i in held)
    model = LanguageClassifier(TextClassifier(TfidfEncoder()), held_share=0.4)
    verdicts = model.fit(texts, labels, languages, items=items).comparisons_
    assert verdicts["de"].n_rows == verdicts["en"].n_rows == 24


def test_few_rows_are_not_judged_by(rows):
    some = [column[:320] for column in rows]
    found = LanguageClassifier(TextClassifier(TfidfEncoder())).fit(*some).comparisons_["de"]
    assert not found.gains and found.kept == "joint"


def test_a_saved_one_answers_the_same(model, rows, tmp_path):
    folder = model.save(tmp_path / "model")
    again = LanguageClassifier.load(folder)
    texts, _, languages = rows
    asked = texts[::7], languages[::7]
    np.testing.assert_allclose(again.predict_proba(*asked), model.predict_proba(*asked), atol=1e-6)
    for name, verdict in model.comparisons_.items():
        assert again.comparisons_[name].to_json() == verdict.to_json()
    assert again.get_params(deep=False)["temperature"] == 1.0
    assert sorted(p.name for p in folder.iterdir()) == [
        "alone-0",
        "joint",
        "languages.json",
        "manifest.json",
    ]
    (folder / "languages.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"languages\.json"):
        LanguageClassifier.load(folder)
    with pytest.raises(StorageError, match="not a model saved by nlptl"):
        model.save(tmp_path)


@pytest.mark.parametrize("any_encoder", ["bert", "xlm-roberta"], indirect=True)
def test_a_multilingual_encoder_is_taken_by_its_name(any_encoder, rows):
    some = [column[::10] for column in rows]
    base = TextClassifier(TransformerEncoder(any_encoder, cache=None))
    model = LanguageClassifier(base, gate=["en"]).fit(*some)
    assert set(model.predict(some[0], some[2])) <= {"yes", "no"}
    assert clone(model).model.encoder == base.encoder


@pytest.mark.parametrize(
    ("options", "given", "error", "message"),
    [
        ({"temperature": 0.5}, {}, ConfigError, "temperature"),
        ({"held_share": 1.0}, {}, ConfigError, "held_share"),
        ({"gate": ["it"]}, {}, InputError, "'it'"),
        ({}, {"languages": ["en"]}, InputError, "1 languages"),
        ({}, {"items": [1, 2]}, InputError, "2 items"),
        ({}, {"labels": np.ones((500, 2))}, InputError, "one label"),
    ],
)
def test_what_cannot_be_learnt_is_refused(rows, options, given, error, message):
    texts, labels, languages = rows
    asked = {"texts": texts, "labels": labels, "languages": languages} | given
    with pytest.raises(error, match=message):
        LanguageClassifier(TextClassifier(TfidfEncoder()), **options).fit(**asked)


def test_texts_without_a_language_are_refused(model):
    with pytest.raises(InputError, match="0 languages"):
        model.predict(["word0"], [])


def test_labels_keep_their_type_and_are_compared_by_it(rows):
    texts, labels, languages = rows
    numbers = [2**63 + 5 if label == "yes" else -1 for label in labels]
    model = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False)
    model.fit(iter(texts), iter(numbers), iter(languages))
    assert set(model.predict(iter(texts), iter(languages)).tolist()) == {2**63 + 5, -1}
    assert model.score(iter(texts), iter(numbers), iter(languages)) > 0.5
    assert len(model.predict_proba(texts[:2], iter(languages[:2]))) == 2
    for wrong in (list(map(str, numbers)), [None] * len(texts)):
        with pytest.raises(InputError, match=r"another type|is missing"):
            model.score(texts, wrong, languages)


@pytest.mark.parametrize("place", ["../m", "/etc", "joint/../../m", "nowhere"])
def test_a_classifier_of_a_language_lies_within_the_folder(model, place, tmp_path):
    folder = model.save(tmp_path / "m")
    told = json.loads((folder / "languages.json").read_text())
    told["places"] = dict.fromkeys(told["places"], place)
    (folder / "languages.json").write_text(json.dumps(told))
    (folder / "manifest.json").unlink()
    write_manifest(folder, kind=model.kind, version="1.0")
    with pytest.raises(StorageError):
        LanguageClassifier.load(folder)


def test_each_fit_has_a_folder_for_its_checkpoints(rows, tmp_path, monkeypatch):
    folders = []

    def fit(model, *data, **options):
        folders.append(model.training.checkpoints)
        return real(model, *data, **options)

    real = TextClassifier.fit
    monkeypatch.setattr(TextClassifier, "fit", fit)
    training = TrainingConfig(checkpoints=str(tmp_path / "c"))
    LanguageClassifier(TextClassifier(TfidfEncoder(), training=training)).fit(*rows)
    assert len(folders) >= 5 and len(set(folders)) == len(folders)
    assert all(folder.startswith(str(tmp_path / "c")) for folder in folders)

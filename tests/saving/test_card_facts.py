import json

import pandas as pd
import pytest
from sklearn.base import clone

from nlptl import (
    Cascade,
    Frozen,
    FullFineTune,
    FusedEncoder,
    LanguageClassifier,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
    support_requests,
)
from nlptl.base.errors import ConfigError
from nlptl.evaluation.judge import judge
from nlptl.reports.card import model_card
from nlptl.saving import card_facts
from nlptl.saving.card_facts import facts_of

REPO = "user/requests"
TEXTS, LABELS = (column[::12] for column in support_requests())


@pytest.fixture(scope="module")
def model():
    return TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)


def test_what_a_model_was_made_from_survives_saving(tmp_path):
    clf = TextClassifier(transfer=Frozen("top")).fit(TEXTS, LABELS)
    origin = "sentence-transformers/all-MiniLM-L6-v2"
    assert facts_of(clf, REPO, test=None, about={}).base_model == origin
    once = TextClassifier.load(clf.save(tmp_path / "once"))
    twice = TextClassifier.load(once.save(tmp_path / "twice"))
    assert facts_of(twice, REPO, test=None, about={}).base_model == origin
    own, first = (one.fitted_.features.encoder.folder for one in (twice, clf))
    assert own.fingerprint == first.fingerprint, "vectors in the cache go on to be found"
    described = json.loads((tmp_path / "twice" / "model.json").read_text())
    assert str(tmp_path) not in json.dumps(described)


def test_the_card_is_of_the_kind_of_model(model):
    facts = facts_of(model, REPO, test=None, about={"says": "Sorts mail."})
    assert facts.says == "Sorts mail." and facts.rows == len(TEXTS)
    numbers = TextRegressor(TfidfEncoder()).fit(["a", "b", "a b"], [1.0, 2.0, 3.0])
    found = facts_of(numbers, REPO, test=(["a"] * 3, [1.0, 2.0, 1.5]), about={})
    assert "number" in found.says and "mae" in found.evaluation.figures
    many = TextClassifier(TfidfEncoder()).fit(
        [f"w{i}" for i in range(30)], [f"c{i % 15}" for i in range(30)]
    )
    assert "and 3 more" in facts_of(many, REPO, test=None, about={}).says


@pytest.fixture(scope="module")
def tuned(tiny_encoder):
    own = TransformerEncoder(tiny_encoder, cache=None)
    short = TrainingConfig(epochs=2, quiet=True, refit=False)
    made = TextClassifier(own, transfer=FullFineTune(), training=short, device="cpu", seed=3)
    return made.fit(TEXTS, LABELS)


def test_how_it_was_made_and_what_it_cost_is_in_the_facts(tuned, tmp_path):
    facts = facts_of(tuned, REPO, test=None, about={})
    assert "epochs=2, refit=False, seed=3, long_texts='windows'" in facts.settings
    assert facts.settings.startswith("head=") and facts.transfer.startswith("FullFineTune(")
    assert facts.cost == str(tuned.cost_) and " on " in facts.cost
    again = TextClassifier.load(tuned.save(tmp_path / "model"))
    after = facts_of(again, REPO, test=None, about={})
    assert (after.cost, after.settings) == (facts.cost, facts.settings)
    assert after.pictures == facts.pictures and set(facts.pictures) == {"curve.png"}
    assert "![Training curve](curve.png)" in model_card(after)


def test_which_class_was_taken_for_which_is_drawn_of_test_rows(model, monkeypatch):
    test = TEXTS, LABELS
    facts = facts_of(model, REPO, test=test, about={})
    assert facts.pictures["confusion.png"].startswith(b"\x89PNG")
    assert "(confusion.png)" in model_card(facts) and "15 bins" in model_card(facts)
    monkeypatch.setattr("nlptl.saving.card_facts.has_pictures", lambda: False)
    without = facts_of(model, REPO, test=test, about={})
    assert not without.pictures and "confusion" not in model_card(without)
    assert without.evaluation == facts.evaluation
    expected = model.evaluate(*test)
    assert facts.evaluation.figures == pytest.approx(expected)
    assert facts.evaluation.classes == model.class_scores(*test)
    confused = model.errors(*test).confused
    assert sorted(facts.evaluation.confused) == sorted(confused.itertuples(index=False, name=None))
    assert ("Most frequent mistakes" in model_card(facts)) == bool(len(confused))


def test_mistakes_are_in_the_card_without_matplotlib(model, monkeypatch):
    monkeypatch.setattr("nlptl.saving.card_facts.has_pictures", lambda: False)
    first = LABELS[0]
    evaluation = facts_of(model, REPO, test=(TEXTS, [first] * len(TEXTS)), about={}).evaluation
    wrong = sum(n for label, _, n in evaluation.confused if label == first)
    assert wrong == len(TEXTS) - sum(model.predict(TEXTS) == first)


def test_several_labels_have_figures_and_no_picture():
    labels = [[label] for label in LABELS]
    several = TextClassifier(TfidfEncoder()).fit(TEXTS, labels)
    facts = facts_of(several, REPO, test=(TEXTS, labels), about={})
    assert facts.several and not facts.pictures and "micro_f1" in facts.evaluation.figures
    apart = facts_of(several, REPO, test=None, about={"format": "transformers"})
    assert "sigmoid()" in model_card(apart)


def test_the_license_is_that_of_the_base_model_or_goes_with_it(model, monkeypatch):
    module = "nlptl.saving.card_facts"
    asked = []
    monkeypatch.setattr(f"{module}.license_of", lambda name: asked.append(name) or "cc-by-nc-4.0")
    clf = TextClassifier(transfer=Frozen("top")).fit(TEXTS, LABELS)
    facts = facts_of(clf, REPO, test=None, about={})
    assert facts.license == facts.base_license == "apache-2.0" and not asked
    assert facts_of(clf, REPO, test=None, about={}, asks=True).license == "cc-by-nc-4.0"
    assert asked == ["sentence-transformers/all-MiniLM-L6-v2"]
    with pytest.raises(ConfigError, match="'mit' is not allowed.*base_license"):
        facts_of(clf, REPO, test=None, about={"license": "mit"}, asks=True)
    known = {"license": "mit", "base_license": "mit"}
    card = model_card(facts_of(clf, REPO, test=None, about=known, asks=True))
    assert "license: mit" in card and "MiniLM-L6-v2, license mit" in card
    assert facts_of(model, REPO, test=None, about={}, asks=True).license is None


def test_a_verdict_on_the_transfer_is_in_the_facts(model):
    pair = {"pairs of words": clone(model), "words": TextClassifier(TfidfEncoder(longest=1))}
    verdict = judge(pair, TEXTS, LABELS)
    card = model_card(facts_of(model, REPO, test=None, about={"verdict": verdict}))
    assert f"Effect of the transfer: {verdict}" in card


def test_every_part_is_looked_at_for_its_license():
    both = FusedEncoder((TfidfEncoder(), TransformerEncoder(cache=None)))
    clf = TextClassifier(both).fit(TEXTS, LABELS)
    facts = facts_of(clf, REPO, test=None, about={})
    assert facts.base_license == facts.license == "apache-2.0"
    assert facts.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert facts.encoder.startswith("FusedEncoder(TfidfEncoder, TransformerEncoder(sentence-")
    with pytest.raises(ConfigError, match="is not allowed"):
        facts_of(clf, REPO, test=None, about={"license": "mit", "base_license": "gpl-3.0"})


def test_names_of_labels_are_shown_as_they_are():
    odd = ["a\n\n# Title <img src=x> ![t](u)", "no\\|x"]
    clf = TextClassifier(TfidfEncoder()).fit(TEXTS, [odd[i % 2] for i in range(len(TEXTS))])
    card = model_card(facts_of(clf, REPO, test=None, about={}))
    body = card.partition("\n---\n")[2]
    assert "\n# Title" not in body and "<img" not in body.replace("\\<img", "")
    assert "a \\# Title \\<img src=x\\> \\!\\[t\\](u)" in body
    assert "| no\\\\\\|x |" in body  # a backslash and a bar, each with one before it


def test_calls_are_those_of_pairs_and_of_columns(tiny_encoder):
    pairs = [(text, text) for text in TEXTS]
    short = TrainingConfig(max_steps=1, quiet=True)
    own = TransformerEncoder(tiny_encoder, cache=None)
    clf = TextClassifier(own, transfer=FullFineTune(), training=short).fit(pairs, LABELS)
    shown = model_card(facts_of(clf, REPO, test=None, about={"format": "transformers"}))
    assert '"text_pair": "The order arrived late."' in shown
    assert 'tokenizer("The order arrived late.", "The order arrived late.",' in shown
    table = pd.DataFrame({"text": TEXTS, "age": range(len(TEXTS))})
    fused = FusedEncoder((TfidfEncoder(),), numeric_columns=("age",))
    columns = facts_of(TextClassifier(fused).fit(table, LABELS), REPO, test=None, about={})
    assert "with the columns age" in columns.call and not columns.command


def test_a_model_of_languages_does_not_tell_the_settings_of_a_part():
    model = LanguageClassifier(TextClassifier(TfidfEncoder())).fit(
        TEXTS, LABELS, ["en"] * len(TEXTS)
    )
    facts = facts_of(model, REPO, test=None, about={})
    assert facts.settings == facts.cost == "" and facts.call.endswith("['en'])")


def test_the_license_of_both_models_of_a_cascade_counts(model):
    class Part:
        def __init__(self, origin):
            self.name = origin

    cascade = Cascade(Part("x/fast"), Part("y/accurate"))
    origins = {"x/fast": ["x/fast"], "y/accurate": ["y/accurate"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_facts, "_origins", lambda part: origins[part.name])
        assert card_facts._bases(cascade) == ["y/accurate", "x/fast"]

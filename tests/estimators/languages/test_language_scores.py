import numpy as np
import pytest

from nlptl import (
    LanguageClassifier,
    TextClassifier,
    TfidfEncoder,
    score_languages,
    support_requests,
)
from nlptl.base.errors import InputError


class Said:
    """Says what it was told to, by text."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, texts):
        return np.array([self.answers[text] for text in texts])


@pytest.fixture(scope="module")
def rows():
    """100 English rows of which 90 are answered rightly, 80 German ones of which 40 are."""
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b"], 180)
    texts = [f"text {i}" for i in range(180)]
    wrong = {"a": "b", "b": "a"}
    said = {
        text: wrong[label] if (i % 10 == 0 and i < 100) or (i >= 100 and i % 2) else label
        for i, (text, label) in enumerate(zip(texts, labels, strict=True))
    }
    return texts, list(labels), ["en"] * 100 + ["de"] * 80, Said(said)


def test_each_language_has_its_score_and_its_gap(rows):
    *given, model = rows
    found = score_languages(model, *given, source="en")
    assert [one.language for one in found.scores] == ["en", "de"]
    english, german = found["en"], found["de"]
    assert (english.rows, german.rows) == (100, 80)
    assert english.accuracy.value == 0.9 and german.accuracy.value == 0.5
    assert english.accuracy.low == pytest.approx(0.826, abs=0.001) and english.gap is None
    assert german.gap.value == pytest.approx(0.4)
    wide = 1.96 * np.sqrt(0.9 * 0.1 / 100 + 0.5 * 0.5 / 80)
    assert german.gap.low == pytest.approx(0.4 - wide, abs=0.03)
    assert german.gap.high == pytest.approx(0.4 + wide, abs=0.03)
    assert german.behind is None and german.reading is None


def test_a_model_of_the_language_is_compared_on_the_same_rows(rows):
    texts, labels, languages, model = rows
    same = score_languages(model, texts, labels, languages, alone={"de": model})
    assert same["de"].behind.low == same["de"].behind.high == 0 == same["de"].behind.value
    right = Said(dict(zip(texts, labels, strict=True)))
    behind = score_languages(model, texts, labels, languages, alone={"de": right})["de"].behind
    assert behind.value == 0.5 and 0.35 < behind.low < behind.high < 0.65


def test_all_right_is_not_for_certain(rows):
    texts, labels, languages, _ = rows
    right = Said(dict(zip(texts, labels, strict=True)))
    found = score_languages(right, texts, labels, languages)["de"].accuracy
    assert found.value == 1 and 0.9 < found.low < 1


def test_a_model_of_several_languages_is_told_which_it_is(rows):
    *given, _ = rows
    several = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=["de"]).fit(*given)
    found = score_languages(several, *given)
    assert found["de"].accuracy.value == several.models_["de"].score(given[0][100:], given[1][100:])


def test_languages_need_no_source(rows):
    *given, model = rows
    found = score_languages(model, *given)
    assert found.source is None and found["de"].gap is None
    assert [one.language for one in found.scores] == ["en", "de"]
    assert found["en"].macro_f1.value == pytest.approx(0.9, abs=0.01)


def test_the_table_has_a_row_a_language_and_the_plot_a_bar(rows, tmp_path):
    *given, model = rows
    found = score_languages(model, *given, source="de", alone={"de": model})
    frame = found.frame()
    assert frame["language"].tolist() == ["de", "en"]
    assert frame["accuracy"].tolist() == [0.5, 0.9]
    assert frame["gap"].isna().tolist() == [True, False]
    drawn = found.plot(tmp_path / "languages.svg").read_text()
    assert "<svg" in drawn and drawn.count("clip-path") >= 4


def test_a_classifier_is_scored_with_what_its_tokenizer_leaves(tiny_encoder):
    texts, labels = support_requests()
    german, answers = support_requests(language="de")
    clf = TextClassifier(tiny_encoder).fit(texts[::8], labels[::8])
    asked = [*texts[1::16], *german[1::16]], [*labels[1::16], *answers[1::16]]
    found = score_languages(clf, *asked, ["en"] * 30 + ["de"] * 30, source="en")
    assert found["de"].reading.script == "Latin"
    assert found["de"].reading.unknown > found["en"].reading.unknown
    assert {"script", "unknown", "gap_low"} <= set(found.frame().columns)
    plain = TextClassifier(TfidfEncoder()).fit(texts[::8], labels[::8])
    assert score_languages(plain, *asked, ["x"] * 60)["x"].reading is None


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"languages": ["en"]}, InputError, "1 languages"),
        ({"source": "fr"}, InputError, "'fr'"),
        ({"languages": ["it"] + ["en"] * 179}, InputError, "one text in 'it'"),
        ({"alone": {"it": None}}, InputError, "'it'"),
        ({"labels": [["a"]] * 180}, InputError, "one label"),
    ],
)
def test_what_cannot_be_scored_is_refused(rows, changed, error, message):
    texts, labels, languages, model = rows
    given = {"texts": texts, "labels": labels, "languages": languages} | changed
    with pytest.raises(error, match=message):
        score_languages(model, **given)


def test_labels_of_another_type_are_refused_and_equal_numbers_are_equal():
    model = Said({"a": 1.0, "b": 2.0})
    found = score_languages(model, iter(["a", "b"]), iter([1, 2]), iter(["en", "en"]))
    assert found["en"].accuracy.value == 1.0
    with pytest.raises(InputError, match="Labels mix float and str"):
        score_languages(model, ["a", "b"], ["1", "2"], ["en", "en"])

import numpy as np
import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import InputError
from nlptl.estimators.languages.language_rows import LanguageRows, language_weights


def test_a_high_temperature_gives_each_language_the_same_weight():
    languages = np.array(["en"] * 6 + ["de"] * 3 + ["xx"])
    for temperature, share in ((1, 0.6), (1e9, 1 / 3)):
        weights = language_weights(languages, temperature)
        assert weights[languages == "en"].sum() / weights.sum() == pytest.approx(share)
        assert weights.mean() == pytest.approx(1)


def test_rows_of_one_language_and_the_accuracy_on_some_of_them():
    texts = ["yes one", "yes two", "no three", "no four", "ja", "nein"]
    labels = ["yes", "yes", "no", "no", "yes", "no"]
    rows = LanguageRows.read(texts, labels, ["en"] * 4 + ["de"] * 2)
    german = rows.of("de", np.arange(6))
    assert list(german.rows) == ["ja", "nein"] and german.labels == ["yes", "no"]
    english = rows.of("en", np.arange(6))
    model = TextClassifier(TfidfEncoder()).fit(english.rows, english.labels)
    turned = LanguageRows.read(texts[:4], ["yes", "no", "no", "no"], ["en"] * 4)
    accuracy = turned.accuracy_of(model)
    assert accuracy(np.array([0, 2, 3])) == 1.0 and accuracy(np.array([1, 1])) == 0.0


def test_several_labels_or_other_lengths_are_refused():
    with pytest.raises(InputError, match="one label per text"):
        LanguageRows.read(["a", "b"], [["x"], ["x", "y"]], ["en", "en"])
    with pytest.raises(InputError, match="2 texts, 2 labels and 1 languages"):
        LanguageRows.read(["a", "b"], ["x", "y"], ["en"])

import pytest

from nlptl import Corpus, SourceRows, TextClassifier, TextRegressor
from nlptl.base.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": 0}, "weight must be above 0, got 0"),
        ({"weight": -1.0}, "weight must be above 0"),
        ({"share": 1.0}, "below 1, or 'auto', got 1.0"),
        ({"share": -0.1}, "at least 0"),
        ({"share": "half"}, "'auto', got 'half'"),
        ({"share": 0.5, "weight": 0.3}, "share=0.5 and weight=0.3"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SourceRows(**options)


def test_only_the_automatic_share_is_chosen():
    assert SourceRows().chooses_share
    assert not SourceRows(0.5).chooses_share and not SourceRows(weight=0.5).chooses_share


def test_private_weights_are_for_one_label_per_text():
    assert "numbers" in SourceRows().supports
    assert SourceRows(private=True).supports == {"pairs"}
    labels, numbers = [["a"], ["a", "b"]], [1.0, 2.0]
    source = Corpus(["good film", "bad film"], labels)
    model = TextClassifier("tfidf", transfer=SourceRows(private=True))
    with pytest.raises(ConfigError, match="needs one label per text"):
        model.fit(["good tea", "bad tea"], labels, source=source)
    model = TextRegressor("tfidf", transfer=SourceRows(private=True))
    with pytest.raises(ConfigError, match="got numbers"):
        model.fit(["good tea", "bad tea"], numbers, source=Corpus(["a film", "b film"], numbers))

import numpy as np
import pytest

from nlptl import LabelMeaning
from nlptl.base.errors import ConfigError


def test_labels_are_read_as_described_or_as_they_are():
    meaning = LabelMeaning({"HUM": "a human being", "LOC": ["a place", "a town"]}, ["{}", "On {}."])
    assert meaning.texts(["HUM", "LOC", "lost_card"]) == [
        ["a human being", "On a human being."],
        ["a place", "On a place.", "a town", "On a town."],
        ["lost card", "On lost card."],
    ]
    assert meaning.labels == ("HUM", "LOC")


def test_a_choice_is_the_same_however_it_was_written():
    written = LabelMeaning([[1, "one"], [["a", 2], ["x", "y"]]])
    assert written == LabelMeaning({1: "one", ("a", 2): ("x", "y")})
    assert LabelMeaning(**written.get_params()) == written
    assert len(LabelMeaning().texts(["good"])[0]) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": ["good", "bad"]}, "a text for each label"),
        ({"names": {"good": ""}}, "a text for each label"),
        ({"names": {"good": []}}, "a text for each label"),
        ({"templates": "about {}"}, "templates must be"),
        ({"templates": ["about"]}, "templates must be"),
        ({"weight": -1.0}, "weight must be"),
        ({"weight": "much"}, "weight must be"),
    ],
)
def test_bad_choices_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        LabelMeaning(**options)


@pytest.mark.parametrize("label", [3, True, "42", "_", ("a", "b")])
def test_a_label_without_letters_must_be_described(label):
    with pytest.raises(
        ConfigError, match=r"needs a text with letters for each label.*LabelMeaning\(names="
    ):
        LabelMeaning().texts([label])
    assert LabelMeaning({label: "described"}).texts([label])[0][0] == "described"


def test_labels_of_numpy_are_plain_in_what_is_stored():
    told = LabelMeaning({np.int64(0): "food", np.int64(1): "money"})
    assert told == LabelMeaning({0: "food", 1: "money"})
    assert all(type(label) is int for label in told.labels)

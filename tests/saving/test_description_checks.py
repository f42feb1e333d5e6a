import json

import pytest

from nlptl.data.labels import LabelCodec
from nlptl.saving.description_checks import check_labels, read_notes


@pytest.mark.parametrize(
    "labels", [["a", "b"], [1, 2], [1, 2.5], [True, False], [("a", 1), ("b", 2)], [["a"], []]]
)
def test_what_a_codec_writes_is_accepted(labels):
    check_labels(json.loads(json.dumps(LabelCodec.learn(labels).to_json())))


@pytest.mark.parametrize(
    "change",
    [
        {"form": "other"},
        {"form": None},
        {"dtype": "<V8"},
        {"dtype": "<c16"},
        {"dtype": "<M8[s]"},
        {"dtype": "nonsense"},
        {"dtype": "<U900000000"},
        {"dtype": "<i8"},
        {"classes": {"a": 1}},
        {"classes": ["a", "a"]},
        {"classes": ["a", None]},
        {"classes": ["a", 1]},
        {"classes": ["a", "\ud800"]},
        {"dtype": "object", "classes": [{"a": 1}]},
        {"dtype": "object", "classes": [["a"], ["a"]]},
        {"dtype": "<f8", "classes": [float("nan"), 1.0]},
    ],
)
def test_classes_that_cannot_be_are_refused(change):
    described = LabelCodec.learn(["a", "b"]).to_json() | change
    with pytest.raises((TypeError, ValueError)):
        check_labels(described)


@pytest.mark.parametrize("notes", [[], None, {"run": []}, {"run": "x"}])
def test_notes_are_an_object(notes):
    with pytest.raises(TypeError):
        read_notes({"notes": notes})
    assert read_notes({"notes": {"by": "me"}}) == {"by": "me"}

import pytest

from nlptl.data.text_pairs import text_pairs


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Great book. I read it twice in a week.", ("Great book.", "I read it twice in a week.")),
        ("Why?! Nobody knows the answer.", ("Why?!", "Nobody knows the answer.")),
        ('He said "no." Then he left the room.', ('He said "no."', "Then he left the room.")),
        ("Subject line\nThe body follows here.", ("Subject line", "The body follows here.")),
        ("好书。我读了两遍，非常喜欢。", ("好书。", "我读了两遍，非常喜欢。")),
        ("one two three four", ("one two", "three four")),
        ("A long first sentence comes here. End.", ("A long first sentence", "comes here. End.")),
        (
            "Version 1.5 is out now. It has many new parts.",
            ("Version 1.5 is out now.", "It has many new parts."),
        ),
        ("word", ("word", "word")),
        ("ab" * 10, ("ab" * 5, "ab" * 5)),
        ("  padded.  by spaces here  ", ("padded.", "by spaces here")),
    ],
)
def test_a_text_is_split_after_its_first_sentence_or_in_the_middle(text, pair):
    assert text_pairs([text]) == [pair]


def test_pairs_stay_as_they_are():
    assert text_pairs([("title", "body. more")]) == [("title", "body. more")]


def test_no_part_is_ever_empty():
    for text in ("a", "a.", "...", "a b", "?! x", "\n\na", "x" * 50):
        assert all(text_pairs([text])[0])

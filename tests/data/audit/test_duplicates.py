import numpy as np

from nlptl.data.audit.duplicates import exact_groups, folded, near_pairs, rows_in

LONG = "the quick brown fox jumps over the lazy dog while the band plays on and on tonight"


def test_case_and_white_space_do_not_make_a_text_another():
    assert folded(" A\tb ") == "a b"
    assert folded(("A", "B ")) == ("a", "b")
    assert exact_groups(["x y", "z", "X  y", ("a", "b"), ("A", "b")]) == [[0, 2], [3, 4]]


def test_a_changed_word_in_a_long_text_is_nearly_the_same():
    texts = ["something else entirely is written in this one", LONG, LONG + " again", LONG.upper()]
    assert near_pairs(texts, similarity=0.8) == [(1, 2), (2, 3)]


def test_short_and_different_texts_are_not():
    assert near_pairs(["yes", "no", "yes please", "no thanks"]) == []
    assert near_pairs(["one two three four five", "five four three two one"]) == []


def test_planted_pairs_are_found_among_many():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(500)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(400)]
    planted = [(i, 400 + i) for i in range(40)]
    for i, _ in planted:
        texts.append(texts[i] + " extra")
    found = set(near_pairs(texts, similarity=0.8))
    assert len(found & set(planted)) >= 39
    assert found <= set(planted)


def test_one_text_repeated_often_with_small_changes_stays_quick():
    texts = [f"{LONG} {i}" for i in range(600)]
    assert len(near_pairs(texts)) >= 599


def test_other_spellings_of_a_text_are_the_same_and_marks_make_another_word():
    assert exact_groups(["thé glacé", "the\u0301 glace\u0301", "İzmir", "izmir"]) == [
        [0, 1],
        [2, 3],
    ]
    hindi = "आधुनिक मानक हिन्दी भाषा का वाक्य है"
    other = hindi.translate({ord("ि"): "ा", ord("ी"): "े", ord("ा"): "ो"})
    assert near_pairs([hindi, other], similarity=0.5) == []


PARCEL = "the parcel came late and the box was broken when i opened it at home yesterday"


def test_rows_that_are_in_another_split_are_found():
    texts = ["Hello  you", "bye", PARCEL, PARCEL + " evening", "something else entirely here"]
    assert rows_in(texts, ["hello you", PARCEL.upper()]) == [0, 2, 3]
    assert rows_in(texts, []) == [] and rows_in([], texts) == []
    assert rows_in(["a b", "c"], ["d"]) == []


def test_repeats_within_a_split_are_no_leak():
    texts = [PARCEL, PARCEL, PARCEL + " evening"]
    assert rows_in(texts, ["other words that do not occur in the pool at all"]) == []


def test_what_is_only_alike_in_part_stays():
    half = "the parcel came late and then many other things happened that nobody expected"
    assert rows_in([half], [PARCEL]) == []
    assert rows_in([PARCEL + " evening"], [PARCEL], similarity=0.99) == []


def test_pairs_are_compared_as_pairs():
    assert rows_in([("a", "b"), ("a", "c")], [("A", "b")]) == [0]


def test_leaks_are_found_among_many_texts():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(400)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(300)]
    others = [f"{text} more" for text in texts[::7]] + [PARCEL] * 40
    assert rows_in(texts, others) == list(range(0, 300, 7))
    crowd = [PARCEL + f" {i}" for i in range(60)]
    assert rows_in(crowd, [PARCEL] * 40) == list(range(60))

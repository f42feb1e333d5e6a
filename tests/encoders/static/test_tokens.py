import json
import unicodedata

import numpy as np
import pytest

from nlptl import StaticEncoder
from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.static.tokens import check_pieces, tokenize
from nlptl.encoders.static.vector_formats import Subwords, WordVectors
from nlptl.encoders.static.vector_store import VectorStore


def store(words, subwords=None):
    vectors = np.eye(len(words), 8, dtype=np.float32) + 1
    return VectorStore.of_words(WordVectors(list(words), vectors, subwords), name="t")


def seen(words, text, **options):
    batch = tokenize(store(words, **options), [text])
    return [(batch.tokens[place], bool(batch.has_vector[place])) for place in batch.places]


def test_a_word_is_found_in_other_letter_cases():
    assert seen(["hello", "Paris", "NASA"], "Hello paris nasa PARIS") == [
        ("hello", True),
        ("Paris", True),
        ("NASA", True),
        ("Paris", True),
    ]


def test_digits_are_masked_where_the_vectors_were_trained_so():
    assert seen(["####"], "1984") == [("####", True)]


def test_a_contraction_is_taken_apart_only_when_it_is_unknown():
    assert seen(["don't"], "don't") == [("don't", True)]
    assert seen(["do", "n't", "it", "'s"], "Don't it’s") == [
        ("do", True),
        ("n't", True),
        ("it", True),
        ("'s", True),
    ]


def test_an_unknown_word_has_no_vector_and_no_row():
    batch = tokenize(store(["a"]), ["a zebra", "", "zebra"])
    assert batch.bounds.tolist() == [0, 2, 2, 3]
    assert batch.has_vector.tolist() == [True, False]
    assert batch.ranks.tolist() == [0, -1]
    assert not batch.vectors[1].any()


def test_subwords_make_up_a_vector_for_an_unknown_word():
    grams = Subwords(np.full((10, 8), 5.0, dtype=np.float32), 3, 6)
    batch = tokenize(store(["a"], subwords=grams), ["zebra"])
    assert batch.has_vector.all()
    assert batch.ranks.tolist() == [-1]
    np.testing.assert_allclose(batch.vectors[0], 5.0)


def test_shares_and_the_most_frequent_unknown_words(vectors_file):
    found = StaticEncoder(vectors_file).coverage(
        ["the parcel is late", "zebra zebra quagga", "the zebra"]
    )
    assert found.tokens == 5 / 9
    assert found.types == 4 / 6
    assert found.empty == 1
    assert found.unknown == (("zebra", 3), ("quagga", 1))
    assert "55.6% of the tokens" in str(found)
    assert "zebra (3)" in str(found)


def test_no_words_at_all_are_no_error(vectors_file):
    assert StaticEncoder(vectors_file).coverage([" "]).tokens == 0.0


@pytest.mark.parametrize(
    "word", ["हिन्दी", "മലയാളം", "สวัสดี", "שָׁלוֹם", "كِتَاب", "می\u200cخواهم", "Việt"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_word_with_marks_is_found_in_every_spelling_of_file_and_text(word, form):
    other = "NFD" if form == "NFC" else "NFC"
    found = seen([unicodedata.normalize(form, word)], unicodedata.normalize(other, word))
    assert found == [(unicodedata.normalize("NFC", word), True)]


def test_the_first_spelling_of_a_word_has_its_row():
    words = [unicodedata.normalize(form, "café") for form in ("NFD", "NFC")]
    batch = tokenize(store(words), words)
    assert batch.ranks.tolist() == [1]


def test_a_word_is_found_without_its_joiners_and_the_dot_of_a_turkish_capital():
    assert seen(["میخواهم"], "می\u200cخواهم") == [("میخواهم", True)]
    assert seen(["izmir"], "İzmir") == [("izmir", True)]
    assert seen(["i̇zmir"], "İzmir") == [("i̇zmir", True)]


def test_models_of_earlier_versions_cut_words_at_marks_as_they_were_trained():
    batch = tokenize(store(["ह", "न"]), ["हिन"], marks=False)
    assert [batch.tokens[place] for place in batch.places] == ["ह", "ि", "न"]


def test_pieces_are_those_of_the_composed_text():
    from tokenizers import Tokenizer, models

    made = Tokenizer(models.WordLevel({"[UNK]": 0, "café": 1}, unk_token="[UNK]"))
    pieces = VectorStore(["[UNK]", "café"], np.eye(2), (("words", 2),), tokenizer=made.to_str())
    assert tokenize(pieces, ["cafe\u0301"]).ranks.tolist() == [1]


def pieces(vocabulary, **parts):
    """Return a store of two vectors whose tokenizer knows some words."""
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    described = {"version": "1.0", "added_tokens": [], "model": model, **parts}
    vectors = np.eye(2, 8, dtype=np.float32)
    names = ["[UNK]", "late"]
    return VectorStore(names, vectors, (("x", 8),), tokenizer=json.dumps(described))


ENDLESS = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}


def test_a_tokenizer_whose_tokens_all_have_vectors_is_accepted():
    check_pieces(pieces({"[UNK]": 0, "late": 1}))
    check_pieces(store(["late"]))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (pieces({"[UNK]": 0, "late": 2}), "token id 2 and there are only 2 vectors"),
        (pieces({"late": 1}), "malformed"),
        (pieces({"[UNK]": 0, "late": 1}, normalizer={"type": "none"}), "malformed"),
        (pieces({"[UNK]": 0, "late": 1}, normalizer=ENDLESS), "may take for ever"),
    ],
)
def test_a_tokenizer_that_does_not_fit_the_vectors_is_refused(made, reason):
    with pytest.raises((IntegrityError, EncoderNotFoundError), match=reason):
        check_pieces(made)

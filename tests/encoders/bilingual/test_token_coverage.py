import pytest

from nlptl import TransformerEncoder
from nlptl.encoders.bilingual.token_coverage import TokenCoverage, token_coverage


@pytest.fixture(scope="module")
def minilm():
    return TransformerEncoder(cache=None)


def test_an_english_tokenizer_takes_accents_and_capitals_off(minilm):
    found = token_coverage(minilm, ["Die Tür ist schön", "a door"])
    assert found.script == "Latin" and found.unknown == 0
    assert found.accents_lost == pytest.approx(2 / 6)
    assert found.case_lost == pytest.approx(2 / 6)
    assert 1 < found.pieces_a_word < 3


def test_scripts_are_named_and_what_cannot_be_read_is_counted(minilm):
    assert token_coverage(minilm, ["привет мир"]).script == "Cyrillic"
    chinese = token_coverage(minilm, ["锈 骰 ok"])
    assert chinese.script == "Cjk" and chinese.unknown == pytest.approx(2 / 3)
    assert chinese.case_lost == chinese.accents_lost == 0


def test_nothing_is_told_of_nothing(minilm):
    found = token_coverage(minilm, ["", "  "])
    assert (found.script, found.pieces_a_word, found.unknown) == ("", 0, 0)


def test_a_tokenizer_may_leave_words_as_they_are(tiny_encoder):
    found = token_coverage(TransformerEncoder(tiny_encoder), ["Thank you é"])
    assert found.accents_lost == 0 and 0 <= found.unknown < 1


def test_it_is_printed_as_a_sentence():
    text = str(TokenCoverage("Latin", 2.26, 0.0, 0.289, 0.01))
    assert text == (
        "Most letters are Latin; a word has 2.3 tokens on average, 0.0% of the tokens are unknown, "
        "28.9% of the words lose capital letters and 1.0% lose accents."
    )
    assert str(TokenCoverage("", 0, 0, 0, 0)).startswith("A word has 0.0 tokens")

import unicodedata

import pytest

from nlptl.base.words import (
    composed,
    lowered,
    rows_by_spelling,
    token_splitter,
    tokens_cut_at_marks,
    tokens_of,
    without_joiners,
    words_of,
)

SCRIPTS = {
    "Devanagari": "आधुनिक मानक हिन्दी",
    "Bengali": "বাংলা ভাষা",
    "Tamil": "தமிழ் மொழி",
    "Telugu": "తెలుగు భాష",
    "Malayalam with a joiner at the end": "മലയാളം അവന്\u200d",
    "Sinhala with a joiner": "ශ්\u200dරී ලංකා",
    "Thai": "ที่นี่ สวัสดี",
    "Lao": "ສະບາຍດີ ທ່ານ",
    "Khmer": "ភាសាខ្មែរ ស្រី",
    "Myanmar": "မြန်မာ ဘာသာ",
    "Hebrew with points": "שָׁלוֹם עוֹלָם",
    "Arabic with vowels": "كِتَابٌ جَمِيلٌ",
    "Persian with a non-joiner": "می\u200cخواهم کتاب\u200cها",
    "Latin without a composed form": "x̂ m̃n",
    "Hangul": "한국어 말",
    "Vietnamese": "tiếng Việt",
    "Chakma, beyond U+FFFF": "𑄌𑄋𑄴𑄟𑄳𑄦 𑄞𑄌𑄴",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_with_their_marks_are_one_word(text, form):
    expected = [unicodedata.normalize("NFC", word) for word in text.split()]
    spelt = unicodedata.normalize(form, text)
    assert tokens_of(spelt) == words_of(spelt) == expected


@pytest.mark.parametrize("extra", ["", "e\u0301", "\u0301", "😀", SCRIPTS["Chakma, beyond U+FFFF"]])
def test_many_texts_are_split_like_each_of_them(extra):
    texts = ["it's", "thé 😀", extra, *SCRIPTS.values()]
    assert [token_splitter(texts)(text) for text in texts] == [tokens_of(text) for text in texts]
    assert token_splitter([extra])(extra) == tokens_of(extra)


def test_a_syllable_mark_of_tibetan_is_punctuation():
    assert tokens_of("བོད་ཡིག") == ["བོད", "་", "ཡིག"]


def test_words_and_punctuation_are_cut_apart():
    text = "Well-known: it's 3€!"
    assert tokens_of(text) == ["Well", "-", "known", ":", "it's", "3", "€", "!"]
    assert words_of(text) == ["Well", "known", "it", "s", "3"]
    assert tokens_of("l’été, d'hélas") == ["l’été", ",", "d'hélas"]


@pytest.mark.parametrize(
    "text", ["Größe: 5 µm, déjà vu!", "don’t", "1\ufe0f\u20e3 ❤\ufe0f", "👩\u200d💻 ok", "a_b ÀÉ"]
)
def test_texts_without_marks_on_letters_are_split_as_before(text):
    assert tokens_of(text) == tokens_cut_at_marks(text)


def test_lower_case_is_composed_and_the_dotted_turkish_i_is_plain():
    for spelling in ("İSTANBUL", "I\u0307STANBUL", "istanbul"):
        assert lowered(spelling) == "istanbul"
    assert lowered("ISPARTA ısparta") == "isparta ısparta"
    assert lowered("E\u0301TE\u0301") == "été"


def test_composed_keeps_compatibility_characters():
    assert composed("e\u0301 ﬁ ２") == "é ﬁ ２"
    assert without_joiners("می\u200cخواهم") == "میخواهم"


def test_every_spelling_leads_to_the_row_of_a_word_and_the_exact_one_first():
    assert rows_by_spelling(["cafe\u0301", "a", "café"]) == {"cafe\u0301": 0, "a": 1, "café": 2}
    assert rows_by_spelling(["the\u0301"]) == {"the\u0301": 0, "thé": 0}

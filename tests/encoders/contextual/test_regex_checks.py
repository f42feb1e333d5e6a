import pytest

from nlptl.encoders.contextual.regex_checks import MAX_PATTERN_CHARACTERS, is_quick

OF_TOKENIZERS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    r"[^\r\n\p{L}]?[\p{Lu}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{M}]+(?i:'s|'t|'d)?|\p{N}{1,3}|\s+(?!\S)",
    r" ?[^(\s|[.,!?…])]+",
    r"\d(?=(?:\d{3})*\b)",
    " {2,}",
]
OF_ADAPTERS = [".*pooler.*", r".*\.(query|value)$", r"layer\.\d+\.attention", "query"]
ENDLESS = [
    "(a+)+$",
    "(a|a)*b",
    "(.*)*x",
    "(a?){30}",
    "a?" * 30 + "a" * 30,
    "(a|a)" * 30,
    r"\s*\s*\s*\s*x",
    "(([a-z])+.)+[A-Z]([a-z])+$",
    "(?:(?:a*)){5}",
    "(.*?,){11}P",
]


@pytest.mark.parametrize("pattern", OF_TOKENIZERS + OF_ADAPTERS)
def test_patterns_that_are_in_use_are_quick(pattern):
    assert is_quick(pattern)


@pytest.mark.parametrize("pattern", ENDLESS)
def test_repetitions_of_what_itself_varies_are_not(pattern):
    assert not is_quick(pattern)


def test_malformed_and_very_long_patterns_are_not():
    assert not is_quick("(")
    assert is_quick("a" * MAX_PATTERN_CHARACTERS)
    assert not is_quick("a" * (MAX_PATTERN_CHARACTERS + 1))
    assert is_quick("[]a]+") and is_quick("[^]]+") and is_quick(")") and is_quick("")

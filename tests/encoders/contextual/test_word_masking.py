import copy

import numpy as np
import pytest

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.word_masking import WordMasking, _continuing

SPECIAL = np.array([True, True, True, True, *[False] * 96])
CONTINUES = np.arange(100) >= 60
"""Tokens from 60 on continue the word of the token before them."""


def masking(share=0.15):
    return WordMasking(3, SPECIAL, CONTINUES, share)


def windows(n=400, words=40, seed=0):
    rng = np.random.default_rng(seed)
    return [[1, *rng.integers(4, 60, words).tolist(), 2] for _ in range(n)]


def test_the_shares_of_hidden_covered_and_swapped_words_are_those_of_the_paper():
    given = windows()
    altered = masking()(given, np.random.default_rng(1))
    n_words = 400 * 40
    hidden = [(w[p], a.ids[p]) for w, a in zip(given, altered, strict=True) for p in a.hidden]
    assert len(hidden) / n_words == pytest.approx(0.15, abs=0.01)
    covered = np.mean([new == 3 for _, new in hidden])
    unchanged = np.mean([new == old for old, new in hidden])
    assert covered == pytest.approx(0.8, abs=0.02)
    assert unchanged == pytest.approx(0.1, abs=0.02)  # a random token is seldom the same
    swapped = {new for old, new in hidden if new not in (3, old)}
    assert len(swapped) > 40 and not swapped & {0, 1, 2}


def test_only_hidden_tokens_change_and_the_input_stays():
    given = windows(n=30)
    before = [list(window) for window in given]
    for window, altered in zip(given, masking()(given, np.random.default_rng(0)), strict=True):
        changed = [i for i, (a, b) in enumerate(zip(window, altered.ids, strict=True)) if a != b]
        assert set(changed) <= set(altered.hidden.tolist())
        assert altered.hidden.tolist() == sorted(set(altered.hidden.tolist()))
    assert given == before


def test_whole_words_are_hidden_and_share_their_fate():
    word = [10, 70, 71]
    given = [[1, *word * 10, 2] for _ in range(200)]
    seen = set()
    for altered in masking(0.3)(given, np.random.default_rng(0)):
        inner = np.array(altered.ids[1:-1]).reshape(-1, 3)
        marked = np.isin(np.arange(1, 31), altered.hidden).reshape(-1, 3)
        assert (marked.all(axis=1) == marked.any(axis=1)).all()
        for tokens in inner[marked[:, 0]]:
            covered = (tokens == 3).tolist()
            assert all(covered) or not any(covered)
            seen.add(all(covered))
    assert seen == {True, False}


def test_a_word_begins_after_a_special_token_and_never_spans_one():
    given = [[1, 70, 2, 71, 5, 2]] * 300
    altered = masking(0.3)(given, np.random.default_rng(0))
    together = [{1, 3} <= set(part.hidden.tolist()) for part in altered]
    apart = [len({1, 3} & set(part.hidden.tolist())) == 1 for part in altered]
    assert any(together) and any(apart)
    assert not any({0, 2, 5} & set(part.hidden.tolist()) for part in altered)


def test_a_text_without_spaces_is_hidden_token_by_token():
    given = [[1, 10, *[70] * 20, 2]] * 50
    sizes = {len(part.hidden) for part in masking()(given, np.random.default_rng(0))}
    assert max(sizes) < 21 and len(sizes) > 3


def test_every_window_with_words_hides_one_and_others_none():
    for altered in masking(0.01)(windows(n=50, words=3), np.random.default_rng(0)):
        assert len(altered.hidden) >= 1
    empty, single = masking()([[1, 2], [1, 5, 2]], np.random.default_rng(0))
    assert empty.ids == [1, 2] and not len(empty.hidden)
    assert single.hidden.tolist() == [1]
    assert masking()([[]], np.random.default_rng(0))[0].ids == []


def test_the_generator_alone_decides():
    given = windows(n=20)
    first, same = (masking()(given, np.random.default_rng(5)) for _ in range(2))
    other = masking()(given, np.random.default_rng(6))
    assert [part.ids for part in first] == [part.ids for part in same]
    assert [part.ids for part in first] != [part.ids for part in other]


def test_marks_of_tokenizers_show_where_words_begin():
    nothing = np.zeros(5, dtype=bool)
    pieces = _continuing(["[CLS]", "play", "##ing", "##", "!"], nothing)
    assert pieces.tolist() == [False, False, True, True, False]
    sentence = _continuing(["<s>", "▁play", "ing", "▁", "!"], np.array([True, *[False] * 4]))
    assert sentence.tolist()[1:] == [False, True, False, False]
    bytes_ = _continuing(["Ġplay", "ing", ".", "Ġ", "x"], nothing)
    assert bytes_.tolist() == [False, True, False, False, True]
    assert not _continuing(["a", "b", "#", "##", "c"], nothing).any()


def test_it_is_made_for_a_tokenizer(tiny_encoder):
    tokenizer = copy.deepcopy(find_encoder(tiny_encoder).tokenizer)
    made = WordMasking.of(tokenizer, share=0.5)
    assert made.mask == tokenizer.mask_token_id and made.share == 0.5
    assert np.flatnonzero(made.special).tolist() == sorted(tokenizer.all_special_ids)
    assert len(made.special) == len(made.continues) == len(tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(ConfigError, match="none"):
        WordMasking.of(tokenizer)

"""Hide whole words of tokenized texts, for masked language modelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.streams import Altered

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHARE = 0.15
"""Share of the words that are hidden."""

_COVERED, _SWAPPED = 0.8, 0.1
"""Shares of the hidden words that are replaced by the mask token, and by other tokens."""

_MAX_TOKENS = 8
"""Number of tokens above which each token of a word counts as a word: the text has no spaces."""

_CONTINUES, _BEGINS = ("##",), ("▁", "Ġ")
"""Marks of tokens that continue a word, and of tokens that begin one."""


@dataclass(frozen=True, eq=False)
class WordMasking:
    """Hides whole words of the windows of a step [1]_ [2]_.

    Of the hidden words, 80 % are replaced by the mask token, 10 % by other tokens of the step, and
    10 % stay unchanged. At least one word of each window is hidden, if it has any.

    Parameters
    ----------
    mask : int
        Id of the mask token.
    special : ndarray of bool, shape (n_vocabulary,)
        True for tokens that are never hidden.
    continues : ndarray of bool, shape (n_vocabulary,)
        True for tokens that continue the word of the token before them.
    share : float
        Share of the words to hide.

    References
    ----------
    .. [1] Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
       Understanding", NAACL 2019, arXiv:1810.04805.
    .. [2] Cui et al., "Pre-Training with Whole Word Masking for Chinese BERT", 2019,
       arXiv:1906.08101.
    """

    mask: int
    special: AnyArray
    continues: AnyArray
    share: float = SHARE

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, *, share: float = SHARE) -> WordMasking:
        """Return the masking for a tokenizer.

        Raises
        ------
        ConfigError
            If the tokenizer has no mask token.
        """
        mask = tokenizer.mask_token_id
        if mask is None:
            raise ConfigError(
                f"Words are hidden behind a mask token, but {type(tokenizer).__name__} of this "
                "encoder has none. Use an encoder with a mask token, such as BERT or MiniLM."
            )
        names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        tokens = ["" if name is None else str(name) for name in names]
        special = np.zeros(len(tokens), dtype=bool)
        special[list(tokenizer.all_special_ids)] = True
        return cls(int(mask), special, _continuing(tokens, special), share)

    def __call__(self, windows: Sequence[Sequence[int]], rng: np.random.Generator) -> list[Altered]:
        """Hide words of windows; the random tokens are drawn from the same windows."""
        ids = [np.asarray(window, dtype=np.int64) for window in windows]
        others = np.concatenate([window[~self.special[window]] for window in ids])
        return [self._altered(window, others, rng) for window in ids]

    def _altered(self, ids: IntArray, others: IntArray, rng: np.random.Generator) -> Altered:
        is_word = ~self.special[ids]
        word_of_token = self._words(ids, is_word)
        n_words = int(word_of_token[-1]) + 1 if len(ids) else 0
        if not n_words:
            return Altered(ids.tolist(), np.zeros(0, dtype=np.int64))
        draws, fates = rng.random(n_words), rng.random(n_words)
        chosen = draws < self.share
        chosen[draws.argmin()] = True
        hidden = np.flatnonzero(is_word)
        hidden = hidden[chosen[word_of_token[hidden]]]
        fate, altered = fates[word_of_token[hidden]], ids.copy()
        altered[hidden[fate < _COVERED]] = self.mask
        swapped = hidden[(fate >= _COVERED) & (fate < _COVERED + _SWAPPED)]
        altered[swapped] = others[rng.integers(len(others), size=len(swapped))]
        return Altered(altered.tolist(), hidden)

    def _words(self, ids: IntArray, is_word: AnyArray) -> IntArray:
        """Return the number of the word that each token belongs to; special tokens repeat it."""
        after_word = np.concatenate([[False], is_word[:-1]])
        begins = is_word & ~(self.continues[ids] & after_word)
        words: IntArray = np.cumsum(begins) - 1
        n_tokens = np.bincount(np.maximum(words, 0), weights=is_word)
        begins |= is_word & (n_tokens[np.maximum(words, 0)] > _MAX_TOKENS)
        numbered: IntArray = np.cumsum(begins) - 1
        return numbered


def _continuing(tokens: Sequence[str], special: AnyArray) -> AnyArray:
    """Return True for each token of a vocabulary that continues a word.

    Word pieces mark tokens that continue a word; other tokenizers mark tokens that begin one.
    Without marks, each token is a word. A token without letters and digits is always a word.
    """
    plain = [token for token, is_special in zip(tokens, special, strict=True) if not is_special]
    if any(token.startswith(_CONTINUES) and len(token) > 2 for token in plain):
        return np.array([token.startswith(_CONTINUES) for token in tokens])
    if not any(token.startswith(_BEGINS) for token in plain):
        return np.zeros(len(tokens), dtype=bool)
    return np.array(
        [not token.startswith(_BEGINS) and any(map(str.isalnum, token)) for token in tokens]
    )

"""Measure how well the tokenizer of an encoder fits the texts of a language."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class TokenCoverage:
    """Measures of how the tokenizer of an encoder cuts the texts of a language.

    Attributes
    ----------
    script : str
        Script of most letters, by its Unicode name: ``"Latin"``, ``"Cyrillic"``, ``"Cjk"``.
    pieces_a_word : float
        Mean number of tokens per word. Words are separated by spaces.
    unknown : float
        Share of the tokens that are the unknown token.
    case_lost : float
        Share of the words that lose their capital letters, because the tokenizer lower-cases
        them.
    accents_lost : float
        Share of the words that lose accents.
    """

    script: str
    pieces_a_word: float
    unknown: float
    case_lost: float
    accents_lost: float

    def __str__(self) -> str:
        script = f"Most letters are {self.script}; a" if self.script else "A"
        return (
            f"{script} word has {self.pieces_a_word:.1f} tokens on average, {self.unknown:.1%} of "
            f"the tokens are unknown, {self.case_lost:.1%} of the words lose capital letters and "
            f"{self.accents_lost:.1%} lose accents."
        )


def token_coverage(encoder: TransformerEncoder, texts: Sequence[str]) -> TokenCoverage:
    """Compute how the tokenizer of an encoder cuts texts. At least one text is needed."""
    tokenizer = encoder.folder.tokenization.fast_tokenizer
    words = [word for text in texts for word in text.split()]
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    tokens: AnyArray = np.array([token for text_ids in ids for token in text_ids])
    unknown = float(np.mean(tokens == tokenizer.unk_token_id)) if len(tokens) else 0.0
    normalized = [_normal(tokenizer, word) for word in words]
    pairs = list(zip(words, normalized, strict=True))
    return TokenCoverage(
        script=_script(texts),
        pieces_a_word=len(tokens) / max(len(words), 1),
        unknown=unknown,
        case_lost=_share(word != word.lower() and form == form.lower() for word, form in pairs),
        accents_lost=_share(_accents(word) > _accents(form) for word, form in pairs),
    )


def _normal(tokenizer: PreTrainedTokenizerFast, word: str) -> str:
    normalizer = tokenizer.backend_tokenizer.normalizer
    return word if normalizer is None else str(normalizer.normalize_str(word))


def _accents(word: str) -> int:
    return sum(unicodedata.combining(letter) > 0 for letter in unicodedata.normalize("NFD", word))


def _script(texts: Sequence[str]) -> str:
    letter_counts = Counter(
        unicodedata.name(letter, "?").partition(" ")[0]
        for text in texts
        for letter in text
        if letter.isalpha()
    )
    return letter_counts.most_common(1)[0][0].capitalize() if letter_counts else ""


def _share(conditions: Iterable[bool]) -> float:
    flags = [bool(condition) for condition in conditions]
    return float(np.mean(flags)) if flags else 0.0

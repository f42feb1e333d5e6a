"""What the tokenizer of an encoder leaves of a language."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder


@dataclass(frozen=True)
class TokenCoverage:
    """How texts reach an encoder.

    Attributes
    ----------
    script : str
        Which most letters are of, as Unicode names it: ``"Latin"``, ``"Cyrillic"``, ``"Cjk"``.
    pieces_a_word : float
        Tokens for each run of characters between spaces.
    unknown : float
        Share of the tokens that stand for anything not known.
    case_lost : float
        Share of the words that are written like another because small letters and capitals are
        not told apart.
    accents_lost : float
        Share of the words whose accents are taken off.
    """

    script: str
    pieces_a_word: float
    unknown: float
    case_lost: float
    accents_lost: float


def token_coverage(encoder: TransformerEncoder, texts: Sequence[str]) -> TokenCoverage:
    """Look at what the tokenizer of an encoder leaves of texts, at least one."""
    tokenizer = encoder.folder.fast_tokenizer
    words = [word for text in texts for word in text.split()]
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    tokens: AnyArray = np.array([token for own in ids for token in own])
    unknown = float(np.mean(tokens == tokenizer.unk_token_id)) if len(tokens) else 0.0
    left = [_normal(tokenizer, word) for word in words]
    pairs = list(zip(words, left, strict=True))
    return TokenCoverage(
        script=_script(texts),
        pieces_a_word=len(tokens) / max(len(words), 1),
        unknown=unknown,
        case_lost=_share(word != word.lower() and now == now.lower() for word, now in pairs),
        accents_lost=_share(_accents(word) > _accents(now) for word, now in pairs),
    )


def _normal(tokenizer: Any, word: str) -> str:
    normalizer = tokenizer.backend_tokenizer.normalizer
    return word if normalizer is None else str(normalizer.normalize_str(word))


def _accents(word: str) -> int:
    return sum(unicodedata.combining(letter) > 0 for letter in unicodedata.normalize("NFD", word))


def _script(texts: Sequence[str]) -> str:
    counted = Counter(
        unicodedata.name(letter, "?").partition(" ")[0]
        for text in texts
        for letter in text
        if letter.isalpha()
    )
    return counted.most_common(1)[0][0].capitalize() if counted else ""


def _share(found: Any) -> float:
    told = [bool(one) for one in found]
    return float(np.mean(told)) if told else 0.0

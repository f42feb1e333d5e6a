"""Facts about the tokenizer of an encoder: its window, its tokens, and how it reads texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.embedding_tables import embedded_tokens, readable_positions
from nlptl.encoders.contextual.sentence_settings import SentenceSettings

_MAX_STATED_LENGTH = 100_000
"""A stated maximum length above this value counts as no maximum length."""


class TokenizerFolder(Protocol):
    """Attributes of a folder that describe its tokenizer; ``EncoderFolder`` has them."""

    @property
    def name(self) -> str:
        """Name of the encoder."""
        ...

    @property
    def config(self) -> Any:
        """Configuration of the encoder, as transformers reads it."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Tokenizer of the encoder."""
        ...

    @property
    def sentence(self) -> SentenceSettings:
        """Settings of sentence-transformers."""
        ...


@dataclass(frozen=True, eq=False)
class Tokenization:
    """Facts about the tokenizer in a folder. The tokenizer is read when they first need it.

    Attributes
    ----------
    folder : EncoderFolder
    """

    folder: TokenizerFolder

    @property
    def fast_tokenizer(self) -> Any:
        """Tokenizer of the encoder, if it is a fast one, which ``tokenizer.json`` describes.

        Raises
        ------
        ConfigError
            If the tokenizer is a slow one.
        """
        tokenizer = self.folder.tokenizer
        if tokenizer.is_fast:
            return tokenizer
        raise ConfigError(
            "This needs a fast tokenizer, which tokenizer.json describes, but "
            f"{self.folder.name!r} has the slow {type(tokenizer).__name__}. Choose an encoder with "
            "a fast tokenizer."
        )

    @property
    def lowers_by_hand(self) -> bool:
        """True if texts must be lower-cased before a slow tokenizer, which cannot do it itself."""
        return self.folder.sentence.lower_case and not self.folder.tokenizer.is_fast

    @cached_property
    def window(self) -> int:
        """Maximum number of tokens per window, including special tokens."""
        lengths = (self.folder.sentence.max_length, self.folder.tokenizer.model_max_length)
        stated = min((int(n) for n in lengths if n and 0 < n < _MAX_STATED_LENGTH), default=None)
        n_positions = readable_positions(self.folder.config, stated)
        return min((n for n in (stated, n_positions) if n is not None), default=512)

    def window_of(self, max_length: int | None) -> int:
        """Return the window for a chosen maximum length; at most the positions of the encoder."""
        if max_length is None or max_length <= self.window:
            return min(max_length or self.window, self.window)
        n_positions = readable_positions(self.folder.config, max_length)
        return max_length if n_positions is None else min(max_length, n_positions)

    @cached_property
    def n_embedded(self) -> int | None:
        """Number of tokens with a vector. None if every token of the tokenizer has one."""
        stated = getattr(self.folder.config.get_text_config(), "vocab_size", None)
        if not isinstance(stated, int) or len(self.folder.tokenizer) <= stated:
            return None
        return embedded_tokens(self.folder.config)

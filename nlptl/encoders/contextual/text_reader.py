"""Read texts for an encoder: its window, pooling and weights, completed from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from nlptl.base.arrays import IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.inputs import Text
from nlptl.encoders.contextual.encoder_folder import EncoderFolder
from nlptl.encoders.contextual.padding import padding_id
from nlptl.encoders.contextual.pooling import Pooling

if TYPE_CHECKING:
    from nlptl.encoders.contextual.loaded import LoadedEncoder
    from nlptl.encoders.contextual.windows import Windows


@dataclass(frozen=True, eq=False)
class TextReader:
    """Settings of an encoder, completed from its folder, and what they do with texts.

    Attributes
    ----------
    folder : EncoderFolder
    chosen_pooling : Pooling or None
        None uses pooling and normalisation from the folder.
    max_length : int or None
        None uses the length from the folder.
    long_texts : {"windows", "cut"}
    precision : {"auto", "float32", "bfloat16", "int8"}
    device : str or None
    weights : LoadedEncoder or None
        Weights in memory to use instead of those in the folder.
    """

    folder: EncoderFolder
    chosen_pooling: Pooling | None
    max_length: int | None
    long_texts: str
    precision: str
    device: str | None
    weights: LoadedEncoder | None

    @cached_property
    def window(self) -> int:
        """Maximum number of tokens per window, including special tokens."""
        return self.folder.tokenization.window_of(self.max_length)

    @cached_property
    def pooling(self) -> Pooling:
        """The pooling of the encoder, or that of its folder if none was chosen.

        Raises
        ------
        ConfigError
            If the pooling uses a layer that the encoder does not have.
        """
        if self.chosen_pooling is None:
            return self.folder.sentence.pooling
        deepest = self.folder.n_layers
        for layer in self.chosen_pooling.layers:
            if not -deepest - 1 <= layer <= deepest:
                raise ConfigError(
                    f"There is no layer {layer}: {self.folder.name!r} has layers 0 to {deepest}, "
                    f"or -{deepest + 1} to -1 counted from the last. Choose one of these layers."
                )
        return self.chosen_pooling

    @cached_property
    def is_stock(self) -> bool:
        """True if the layers below the classifier of transformers pool the vectors."""
        return self.pooling.tokens == "stock"

    @property
    def width(self) -> int:
        """Length of the vector of a text per layer of the pooling."""
        dense = self.folder.sentence.dense_width if self.pooling.layers == (-1,) else None
        return self.folder.hidden_size if dense is None else dense

    @cached_property
    def padding(self) -> int:
        """Id of the padding token that fills the shorter rows of a batch."""
        return padding_id(self.folder, stock=self.is_stock)

    @cached_property
    def loaded(self) -> LoadedEncoder:
        """Weights in torch. Weights of a folder are read once per process."""
        from nlptl.encoders.contextual.encoder_shelf import load_encoder

        if self.weights is not None:
            return self.weights
        dtype = "float32" if self.precision == "int8" else self.precision
        return load_encoder(self.folder, dtype=dtype, device=self.device, stock=self.is_stock)

    def count_tokens(self, texts: Sequence[str]) -> IntArray:
        """Count the tokens of each text, including special tokens, without truncation: (n,)."""
        from nlptl.encoders.contextual.windows import count_tokens

        return count_tokens(self.folder.tokenizer, texts)

    def windows(self, texts: Sequence[Text]) -> Windows:
        """Tokenize texts or pairs of texts into the windows that the encoder reads.

        Raises
        ------
        EncoderNotFoundError
            If the tokenizer yields a token for which the encoder has no vector.
        """
        from nlptl.encoders.contextual.windows import check_tokens

        folder = self.folder
        paired = len(texts) > 0 and not isinstance(texts[0], str)
        windows = self._pairs(texts) if paired else self._singles(texts)
        if folder.tokenization.n_embedded is not None:
            check_tokens(windows.ids, folder.tokenization.n_embedded, folder.name)
        return windows

    def _pairs(self, texts: Sequence[Text]) -> Windows:
        from nlptl.encoders.contextual.windows import cut_pairs

        folder = self.folder
        pairs = [(folder.sentence.prompt + pair[0], pair[1]) for pair in texts]
        if folder.tokenization.lowers_by_hand:
            pairs = [(first.lower(), second.lower()) for first, second in pairs]
        cut = cut_pairs(folder.tokenizer, pairs, window=self.window)
        # Many encoders have only one token type, even if their tokenizer returns two.
        has_types = getattr(folder.config, "type_vocab_size", 0) > 1
        return cut if has_types else replace(cut, kinds=None)

    def _singles(self, texts: Sequence[Text]) -> Windows:
        from nlptl.encoders.contextual.windows import cut_windows

        folder = self.folder
        overlap = self.window // 4 if self.long_texts == "windows" else None
        prompt = folder.sentence.prompt
        single = [prompt + str(text) for text in texts]
        if folder.tokenization.lowers_by_hand:
            single = [text.lower() for text in single]
        return cut_windows(folder.tokenizer, single, window=self.window, overlap=overlap)

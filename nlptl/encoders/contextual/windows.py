"""Split texts into windows of tokens that an encoder can read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import EncoderNotFoundError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_LOCK = threading.Lock()
"""Held while a tokenizer reads texts: its truncation is a setting that all its users share."""

if hasattr(os, "register_at_fork"):  # a process is not forked while another thread holds it
    os.register_at_fork(
        before=TOKENIZER_LOCK.acquire,
        after_in_parent=TOKENIZER_LOCK.release,
        after_in_child=TOKENIZER_LOCK.release,
    )


@dataclass(frozen=True)
class Windows:
    """Windows of tokens, in the order of their texts.

    Attributes
    ----------
    ids : list of list of int
        Token ids of each window, including special tokens.
    text_of_window : ndarray of shape (n_windows,)
        Index of the text of each window.
    sizes : ndarray of shape (n_windows,)
        Number of tokens of each window.
    kinds : list of list of int or None
        Token types of pairs: which of the two texts each token belongs to. None if the encoder
        does not use token types.
    """

    ids: list[list[int]]
    text_of_window: IntArray
    sizes: IntArray
    kinds: list[list[int]] | None = None

    def take(self, rows: IntArray) -> Windows:
        """Return the windows with these numbers, in their order."""
        return Windows(
            ids=[self.ids[row] for row in rows],
            text_of_window=self.text_of_window[rows],
            sizes=self.sizes[rows],
            kinds=None if self.kinds is None else [self.kinds[row] for row in rows],
        )


def cut_windows(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, window: int, overlap: int | None
) -> Windows:
    """Tokenize texts into windows of at most ``window`` tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
    texts : sequence of str
        The texts, including the prompt.
    window : int
        Maximum number of tokens per window, including special tokens.
    overlap : int or None
        Number of tokens that neighbouring windows share. None keeps only the first window of each
        text.
    """
    if not len(texts):
        empty = np.zeros(0, dtype=np.int64)
        return Windows(ids=[], text_of_window=empty, sizes=empty)
    if not tokenizer.is_fast:
        return _cut_by_hand(tokenizer, texts, window=window, overlap=overlap)
    with TOKENIZER_LOCK:
        encoded = tokenizer(
            list(texts),
            truncation=True,
            max_length=window,
            stride=overlap or 0,
            return_overflowing_tokens=overlap is not None,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
    ids = encoded["input_ids"]
    text_of_window = (
        encoded["overflow_to_sample_mapping"] if overlap is not None else range(len(ids))
    )
    return Windows(
        ids=ids,
        text_of_window=np.fromiter(text_of_window, dtype=np.int64, count=len(ids)),
        sizes=np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)),
    )


def first_windows(windows: Windows, most: int) -> Windows:
    """Keep at most the first ``most`` windows of each text."""
    text_of_window = windows.text_of_window
    starts = np.searchsorted(text_of_window, text_of_window)
    kept = np.flatnonzero(np.arange(len(text_of_window)) - starts < most)
    if len(kept) == len(text_of_window):
        return windows
    ids = [windows.ids[row] for row in kept]
    return Windows(ids, text_of_window[kept], windows.sizes[kept])


def cut_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], *, window: int
) -> Windows:
    """Tokenize each pair of texts into one window. The longer text of a pair is truncated first.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        A fast tokenizer.
    pairs : sequence of (str, str)
        The pairs of texts.
    window : int
        Maximum number of tokens per pair, including special tokens.
    """
    with TOKENIZER_LOCK:
        encoded = tokenizer(
            [first for first, _ in pairs],
            [second for _, second in pairs],
            truncation="longest_first",
            max_length=window,
            return_attention_mask=False,
        )
    ids = encoded["input_ids"]
    return Windows(
        ids=ids,
        text_of_window=np.arange(len(ids)),
        sizes=np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)),
        kinds=encoded.get("token_type_ids"),
    )


def count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> IntArray:
    """Count the tokens of each text, including special tokens, without truncation."""
    if not tokenizer.is_fast:
        ids = tokenizer(list(texts), verbose=False)["input_ids"]
        return np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    fast = tokenizer.backend_tokenizer
    with TOKENIZER_LOCK:
        truncation, padding = fast.truncation, fast.padding
        fast.no_truncation()
        fast.no_padding()
        try:
            encoded = fast.encode_batch_fast(list(texts))
        finally:
            if truncation:
                fast.enable_truncation(**truncation)
            if padding:
                fast.enable_padding(**padding)
    return np.fromiter((len(entry) for entry in encoded), dtype=np.int64, count=len(texts))


def check_tokens(ids: Iterable[Sequence[int]], n_embedded: int, name: str) -> None:
    """Check that an encoder has a vector for each token.

    Raises
    ------
    EncoderNotFoundError
        If the tokenizer yields a token without a vector.
    """
    largest = max((token for window in ids for token in window), default=0)
    if largest >= n_embedded:
        raise EncoderNotFoundError(
            f"The tokenizer of encoder {name!r} yields token id {largest}, but the encoder has "
            f"vectors for token ids 0 to {n_embedded - 1} only. Use the tokenizer that belongs to "
            "its weights, or resize the embeddings: model.resize_token_embeddings(len(tokenizer))."
        )


def _cut_by_hand(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, window: int, overlap: int | None
) -> Windows:
    """Split texts like ``cut_windows``, for a slow tokenizer, which does not support windows."""
    before, after = _frame(tokenizer)
    length = window - len(before) - len(after)
    bare = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    ids, text_of_window = [], []
    for text, tokens in enumerate(bare):
        last = 1 if overlap is None else max(len(tokens) - overlap, 1)
        for start in range(0, last, length - (overlap or 0)):
            ids.append([*before, *tokens[start : start + length], *after])
            text_of_window.append(text)
    sizes = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    return Windows(ids, np.array(text_of_window, dtype=np.int64), sizes)


def _frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the special tokens that a slow tokenizer puts before and after a text."""
    marker = -1  # not a token id, so that its position can be detected
    framed = tokenizer.build_inputs_with_special_tokens([marker])
    position = framed.index(marker)
    return framed[:position], framed[position + 1 :]

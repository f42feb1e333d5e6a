"""Cutting texts into windows of tokens that an encoder can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import EncoderNotFoundError


@dataclass(frozen=True)
class Windows:
    """The windows of some texts, in the order of the texts.

    Attributes
    ----------
    ids : list of list of int
        Token ids of each window, special tokens included.
    text_of_window : ndarray of shape (n_windows,)
        The text of each window.
    sizes : ndarray of shape (n_windows,)
        Tokens of each window.
    kinds : list of list of int or None
        For pairs: which of the two texts each token is of, where the encoder is told.
    """

    ids: list[list[int]]
    text_of_window: IntArray
    sizes: IntArray
    kinds: list[list[int]] | None = None


def cut_windows(
    tokenizer: Any, texts: Sequence[str], *, window: int, overlap: int | None
) -> Windows:
    """Tokenize texts into windows of at most ``window`` tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
    texts : sequence of str
        The texts, prompt included.
    window : int
        Most tokens of a window, special tokens included.
    overlap : int or None
        Tokens that neighbouring windows share. None keeps the first window of each text and
        drops the rest.
    """
    if not len(texts):
        nothing = np.zeros(0, dtype=np.int64)
        return Windows(ids=[], text_of_window=nothing, sizes=nothing)
    if not tokenizer.is_fast:
        return _cut_by_hand(tokenizer, texts, window=window, overlap=overlap)
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
    owner = encoded["overflow_to_sample_mapping"] if overlap is not None else range(len(ids))
    return Windows(
        ids=ids,
        text_of_window=np.fromiter(owner, dtype=np.int64, count=len(ids)),
        sizes=np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)),
    )


def first_windows(windows: Windows, most: int) -> Windows:
    """Keep at most so many windows of each text, the first ones."""
    owner = windows.text_of_window
    starts = np.searchsorted(owner, owner)
    kept = np.flatnonzero(np.arange(len(owner)) - starts < most)
    if len(kept) == len(owner):
        return windows
    ids = [windows.ids[place] for place in kept]
    return Windows(ids, owner[kept], windows.sizes[kept])


def cut_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]], *, window: int) -> Windows:
    """Tokenize pairs of texts into one window each; the longer text of a pair is cut first.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        A fast tokenizer.
    pairs : sequence of (str, str)
    window : int
        Most tokens of a pair, special tokens included.
    """
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


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> IntArray:
    """Count the tokens of each text, special tokens included, without any cut."""
    if not tokenizer.is_fast:
        whole = tokenizer(list(texts), verbose=False)["input_ids"]
        return np.fromiter(map(len, whole), dtype=np.int64, count=len(whole))
    fast = tokenizer.backend_tokenizer
    truncation, padding = fast.truncation, fast.padding
    fast.no_truncation()
    fast.no_padding()
    try:
        encoded = fast.encode_batch_fast(list(texts))
        return np.fromiter((len(entry) for entry in encoded), dtype=np.int64, count=len(texts))
    finally:
        if truncation:
            fast.enable_truncation(**truncation)
        if padding:
            fast.enable_padding(**padding)


def check_tokens(ids: Iterable[Sequence[int]], n_embedded: int, name: str) -> None:
    """Check that an encoder has a vector for each token.

    Raises
    ------
    EncoderNotFoundError
        If its tokenizer made a token without one.
    """
    largest = max((token for window in ids for token in window), default=0)
    if largest >= n_embedded:
        raise EncoderNotFoundError(
            f"The tokenizer of encoder {name!r} makes token {largest}, but the encoder has vectors "
            f"for tokens 0 to {n_embedded - 1} only. Take the tokenizer that belongs to its "
            "weights, or resize the embeddings: model.resize_token_embeddings(len(tokenizer))."
        )


def _cut_by_hand(
    tokenizer: Any, texts: Sequence[str], *, window: int, overlap: int | None
) -> Windows:
    """Cut texts as ``cut_windows`` does, with a slow tokenizer, which has no windows."""
    before, after = _frame(tokenizer)
    room = window - len(before) - len(after)
    bare = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    ids, owners = [], []
    for owner, tokens in enumerate(bare):
        last = 1 if overlap is None else max(len(tokens) - overlap, 1)
        for start in range(0, last, room - (overlap or 0)):
            ids.append([*before, *tokens[start : start + room], *after])
            owners.append(owner)
    sizes = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    return Windows(ids, np.array(owners, dtype=np.int64), sizes)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that a slow tokenizer puts before and after a text."""
    text = -1  # is no token, so that its place shows
    framed = tokenizer.build_inputs_with_special_tokens([text])
    place = framed.index(text)
    return framed[:place], framed[place + 1 :]

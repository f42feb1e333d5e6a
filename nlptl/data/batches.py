"""Batches of rows: of like length under a token budget, or of fixed size in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nlptl.base.arrays import AnyArray, IntArray


def by_length(lengths: IntArray, *, tokens_per_batch: int) -> list[IntArray]:
    """Group rows of like length so that a padded batch stays under a token budget.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Tokens of each row.
    tokens_per_batch : int
        Rows of a batch times the longest of them is at most this, except for a batch of one row.

    Returns
    -------
    list of ndarray
        Row numbers; every row is in exactly one batch, the longest rows first, so that memory
        that does not suffice shows at once.

    Examples
    --------
    >>> [batch.tolist() for batch in by_length(np.array([2, 9, 3]), tokens_per_batch=10)]
    [[1], [2, 0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches: list[IntArray] = []
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        size = max(tokens_per_batch // longest, 1)
        batches.append(order[start : start + size])
        start += size
    return batches


def shuffled(n_rows: int, batch_size: int, *, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield the row numbers of one pass in random order, ``batch_size`` at a time.

    The last batch takes what is left; a single leftover row joins the batch before it, because
    batch normalisation cannot learn from one row.
    """
    order = rng.permutation(n_rows)
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    for place, start in enumerate(starts):
        stop = starts[place + 1] if place + 1 < len(starts) else n_rows
        yield order[start:stop]


def like_lengths(
    lengths: IntArray, batch_size: int, *, rng: np.random.Generator, pool: int = 32
) -> Iterator[IntArray]:
    """Yield one pass in random order, in batches of rows of about one length.

    Rows are shuffled and taken ``pool`` batches at a time; each pool is sorted by length and cut
    into batches, which come in random order. Little is padded, and batches still differ from
    pass to pass.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Tokens of each row.
    batch_size : int
        Rows a batch; the last batch of a pass may have fewer.
    rng : numpy.random.Generator
    pool : int
        How many batches are sorted together.

    Yields
    ------
    ndarray
        Row numbers; every row once.
    """
    order = rng.permutation(len(lengths))
    batches: list[IntArray] = []
    for start in range(0, len(order), batch_size * pool):
        some = order[start : start + batch_size * pool]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[first : first + batch_size] for first in range(0, len(some), batch_size)]
    for place in rng.permutation(len(batches)):
        yield batches[place]


def by_class(
    codes: AnyArray, batch_size: int, *, rng: np.random.Generator, least: int = 2
) -> list[IntArray]:
    """Give one pass in batches that hold several rows of each of their classes.

    Each class is shuffled and dealt evenly over the batches, or, where that would leave a batch
    fewer than ``least`` of its rows, over some of them, the smallest so far; the rows of a class
    stand together. Which classes meet differs from pass to pass, how many batches there are does
    not.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_labels)
        Classes; of several labels a row counts with its rarest.
    batch_size : int
        Rows a batch, give or take a few.
    rng : numpy.random.Generator
    least : int
        Rows of a class that come together, where it has as many.

    Returns
    -------
    list of ndarray
        Row numbers; every row once.

    Examples
    --------
    >>> codes = np.array([0, 0, 1, 1, 2, 2])
    >>> found = by_class(codes, 4, rng=np.random.default_rng(0))
    >>> sorted(sorted(codes[batch].tolist()) for batch in found)
    [[0, 0], [1, 1, 2, 2]]
    """
    of_row = _rarest(codes) if codes.ndim == 2 else codes
    classes, counts = np.unique(of_row, return_counts=True)
    shares = np.maximum(counts // least, 1)
    n_batches = min(-(-len(of_row) // batch_size), int(shares.sum()))
    batches: list[list[IntArray]] = [[] for _ in range(n_batches)]
    sizes = np.zeros(n_batches, np.int64)
    for place in rng.permutation(len(classes)):
        rows = rng.permutation(np.flatnonzero(of_row == classes[place]))
        # The smallest first, and among them any.
        order = np.lexsort((rng.random(n_batches), sizes))
        parts = np.array_split(rows, min(n_batches, int(shares[place])))
        for batch, part in zip(order, parts, strict=False):
            batches[batch].append(part)
            sizes[batch] += len(part)
    return [np.concatenate(parts) for parts in batches]


def alike(lengths: IntArray, *, part_cost: int) -> list[IntArray]:
    """Cut rows into parts of like length, as far as that saves more padding than parts cost.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Tokens of each row; at least one row.
    part_cost : int
        What a part costs by itself, in tokens.

    Returns
    -------
    list of ndarray
        Row numbers, the shortest rows first; every row once.

    Examples
    --------
    >>> lengths = np.array([3, 90, 4, 5])
    >>> [part.tolist() for part in alike(lengths, part_cost=10)]
    [[0, 2, 3], [1]]
    """
    order = np.argsort(lengths, kind="stable")
    sizes, starts = lengths[order], np.arange(len(order))
    costs, begins = np.zeros(len(order) + 1), np.zeros(len(order) + 1, np.int64)
    for end in range(1, len(order) + 1):
        found = costs[:end] + (end - starts[:end]) * sizes[end - 1] + part_cost
        begins[end] = found.argmin()
        costs[end] = found[begins[end]]
    parts: list[IntArray] = []
    end = len(order)
    while end:
        parts.append(order[begins[end] : end])
        end = int(begins[end])
    return parts[::-1]


def _rarest(codes: AnyArray) -> IntArray:
    """Give the rarest label of each row; one more for rows without any."""
    counts = codes.sum(axis=0)
    rarity = np.where(codes > 0, counts, np.inf)
    rarest: IntArray = np.where(codes.any(axis=1), rarity.argmin(axis=1), codes.shape[1])
    return rarest


def dealt(
    rows: IntArray,
    lengths: IntArray,
    *,
    n_ranks: int,
    passes: int,
    tokens_per_pass: int,
    codes: AnyArray | None = None,
) -> list[list[IntArray]]:
    """Deal the rows of one step over processes, and over forward passes in each of them.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Row numbers of the step.
    lengths : ndarray
        Tokens of every row there is.
    n_ranks : int
        Processes.
    passes : int
        Forward passes a process, at least; never more than it has rows.
    tokens_per_pass : int
        Rows of a pass times the longest of them is at most this, except for one row alone.
    codes : ndarray of shape (n_rows,) or (n_rows, n_labels), optional
        The classes of every row there is. Then at least two rows of a class come into the same
        pass, where there are two, and a pass of all processes holds as many classes as it can.

    Returns
    -------
    list of list of ndarray
        ``[rank][pass]``: every row once, and as many passes in each process, some of them empty.

    Examples
    --------
    >>> rows, lengths = np.arange(5), np.array([9, 2, 2, 3, 2])
    >>> parts = dealt(rows, lengths, n_ranks=2, passes=1, tokens_per_pass=18)
    >>> [[part.tolist() for part in rank] for rank in parts]
    [[[0, 2], [4]], [[1], [3]]]
    """
    shares = [rows[rank::n_ranks] for rank in range(n_ranks)]
    largest = max(len(share) for share in shares)
    for count in range(min(passes, largest), largest + 1):
        if codes is None:
            parts = [np.array_split(share, count) for share in shares]
        else:
            passed = _by_class(rows, codes, count)
            parts = [[some[rank::n_ranks] for some in passed] for rank in range(n_ranks)]
        if all(_fits(part, lengths, tokens_per_pass) for rank in parts for part in rank):
            break
    return parts


def _by_class(rows: IntArray, codes: AnyArray, count: int) -> list[IntArray]:
    """Deal rows over passes, those of a class by two and more, each part to the smallest pass."""
    of_row = (_rarest(codes) if codes.ndim == 2 else codes)[rows]
    passes: list[list[IntArray]] = [[rows[:0]] for _ in range(count)]
    sizes = np.zeros(count, np.int64)
    for code in np.unique(of_row):
        own = rows[of_row == code]
        parts = np.array_split(own, min(count, max(len(own) // 2, 1)))
        for place, part in zip(np.argsort(sizes, kind="stable"), parts, strict=False):
            passes[place].append(part)
            sizes[place] += len(part)
    return [np.concatenate(some) for some in passes]


def _fits(rows: IntArray, lengths: IntArray, tokens: int) -> bool:
    return len(rows) < 2 or len(rows) * int(lengths[rows].max()) <= tokens

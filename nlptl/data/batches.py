"""Batches of rows: of similar length within a token budget, or of fixed size in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nlptl.base.arrays import AnyArray, IntArray


def by_length(lengths: IntArray, *, tokens_per_batch: int) -> list[IntArray]:
    """Group rows of similar length so that each padded batch stays within a token budget.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Number of tokens per row.
    tokens_per_batch : int
        Maximum of rows per batch times tokens of its longest row. A batch of one row may exceed it.

    Returns
    -------
    list of ndarray
        Row numbers; every row is in exactly one batch. The longest rows come first, so that a lack
        of memory shows at the start.

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
    """Yield the row numbers of one epoch in random order, ``batch_size`` at a time.

    The last batch holds the remaining rows. A single remaining row joins the batch before it,
    because batch normalisation cannot be trained on one row.
    """
    order = rng.permutation(n_rows)
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    for index, start in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else n_rows
        yield order[start:stop]


def like_lengths(
    lengths: IntArray, batch_size: int, *, rng: np.random.Generator, pool: int = 32
) -> list[IntArray]:
    """Return one epoch in random order, in batches of rows of similar length.

    The rows are shuffled and split into pools of ``pool`` batches. Each pool is sorted by length
    and cut into batches. All batches come in random order. This needs little padding, and the
    batches still differ between epochs.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Number of tokens per row.
    batch_size : int
        Rows per batch; the last batch of an epoch may have fewer.
    rng : numpy.random.Generator
    pool : int
        Number of batches that are sorted together.

    Returns
    -------
    list of ndarray
        Row numbers; every row once.
    """
    order = rng.permutation(len(lengths))
    batches: list[IntArray] = []
    for start in range(0, len(order), batch_size * pool):
        some = order[start : start + batch_size * pool]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[first : first + batch_size] for first in range(0, len(some), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def by_class(
    codes: AnyArray, batch_size: int, *, rng: np.random.Generator, least: int = 2
) -> list[IntArray]:
    """Return one epoch in batches that hold several rows of each of their classes.

    Each class is shuffled and distributed evenly over the batches. If a batch would get fewer than
    ``least`` rows of the class, only some batches get rows: the smallest so far. Rows of a class
    are adjacent in a batch. The combination of classes differs between epochs; the number of
    batches does not.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_labels)
        Class codes, or zeros and ones for several labels. A row with several labels counts as a
        row of its rarest label.
    batch_size : int
        Approximate number of rows per batch.
    rng : numpy.random.Generator
    least : int
        Minimum number of rows per class in a batch, if the class has that number of rows.

    Returns
    -------
    list of ndarray
        Row numbers; every row once.

    Examples
    --------
    >>> codes = np.array([0, 0, 1, 1, 2, 2])
    >>> batches = by_class(codes, 4, rng=np.random.default_rng(0))
    >>> sorted(sorted(codes[batch].tolist()) for batch in batches)
    [[0, 0], [1, 1, 2, 2]]
    """
    of_row = _rarest(codes) if codes.ndim == 2 else codes
    classes, counts = np.unique(of_row, return_counts=True)
    shares = np.maximum(counts // least, 1)
    n_batches = min(-(-len(of_row) // batch_size), int(shares.sum()))
    batches: list[list[IntArray]] = [[] for _ in range(n_batches)]
    sizes = np.zeros(n_batches, np.int64)
    for index in rng.permutation(len(classes)):
        rows = rng.permutation(np.flatnonzero(of_row == classes[index]))
        # The smallest batches first; batches of equal size in random order.
        order = np.lexsort((rng.random(n_batches), sizes))
        parts = np.array_split(rows, min(n_batches, int(shares[index])))
        for batch, part in zip(order, parts, strict=False):
            batches[batch].append(part)
            sizes[batch] += len(part)
    return [np.concatenate(parts) for parts in batches]


def alike(lengths: IntArray, *, part_cost: int) -> list[IntArray]:
    """Split rows into parts of similar length with the lowest total cost of padding and parts.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Number of tokens per row; at least one row.
    part_cost : int
        Fixed cost of each part, in tokens.

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
        totals = costs[:end] + (end - starts[:end]) * sizes[end - 1] + part_cost
        begins[end] = totals.argmin()
        costs[end] = totals[begins[end]]
    parts: list[IntArray] = []
    end = len(order)
    while end:
        parts.append(order[begins[end] : end])
        end = int(begins[end])
    return parts[::-1]


def _rarest(codes: AnyArray) -> IntArray:
    """Return the rarest label of each row; rows without labels get the number of labels."""
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
    """Distribute the rows of one training step over processes and their forward passes.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Row numbers of the step.
    lengths : ndarray
        Number of tokens per row, for all rows of the data set.
    n_ranks : int
        Number of processes.
    passes : int
        Minimum number of forward passes per process, but at most its number of rows.
    tokens_per_pass : int
        Maximum of rows per pass times tokens of its longest row. A pass of one row may exceed it.
    codes : ndarray of shape (n_rows,) or (n_rows, n_labels), optional
        Classes of all rows of the data set. If passed, at least two rows of a class come into the
        same pass, if the step has two. A pass over all processes then holds as many classes as
        possible.

    Returns
    -------
    list of list of ndarray
        ``[rank][pass]``: every row once. All processes have the same number of passes; some passes
        may be empty.

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
            joint = _by_class(rows, codes, count)
            parts = [[some[rank::n_ranks] for some in joint] for rank in range(n_ranks)]
        if all(_fits(part, lengths, tokens_per_pass) for rank in parts for part in rank):
            break
    return parts


def _by_class(rows: IntArray, codes: AnyArray, count: int) -> list[IntArray]:
    """Distribute rows over passes: two or more of a class together, each into the smallest pass."""
    of_row = (_rarest(codes) if codes.ndim == 2 else codes)[rows]
    passes: list[list[IntArray]] = [[rows[:0]] for _ in range(count)]
    sizes = np.zeros(count, np.int64)
    for code in np.unique(of_row):
        members = rows[of_row == code]
        parts = np.array_split(members, min(count, max(len(members) // 2, 1)))
        for index, part in zip(np.argsort(sizes, kind="stable"), parts, strict=False):
            passes[index].append(part)
            sizes[index] += len(part)
    return [np.concatenate(some) for some in passes]


def _fits(rows: IntArray, lengths: IntArray, tokens: int) -> bool:
    return len(rows) < 2 or len(rows) * int(lengths[rows].max()) <= tokens

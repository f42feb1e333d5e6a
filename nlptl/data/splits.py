"""Split rows into training, validation and test rows."""

from __future__ import annotations

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike
from nlptl.data.columns import as_list
from nlptl.data.labels import distinct, key_of

_NUMBERS_PER_STRATUM = 20
"""Number of neighbouring values in sorted order that are stratified like rows of one class."""


def k_shot(labels: LabelsLike, shots: int, *, seed: int) -> IntArray:
    """Draw ``shots`` rows per class at random, without repeats.

    The classes are drawn in sorted order from one generator, so the same seed always returns the
    same rows.

    Parameters
    ----------
    labels : sequence of length n
        One label per row.
    shots : int
        Number of rows per class.
    seed : int
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    ndarray of shape (shots * n_classes,)
        Row numbers, grouped by class.

    Raises
    ------
    InputError
        If a class has fewer rows than ``shots``, or rows have several labels.

    Examples
    --------
    >>> k_shot(["a", "b", "a", "b"], 1, seed=0).tolist()
    [2, 3]
    """
    if shots < 1:
        raise InputError(f"shots must be at least 1, got {shots}. Pass a larger number.")
    rng = np.random.default_rng(seed)
    labels = as_list(labels)
    codes, names = _codes(labels), distinct(labels)
    rows_by_class = []
    for code, name in enumerate(names.tolist()):
        rows = np.flatnonzero(codes == code)
        if len(rows) < shots:
            raise InputError(
                f"Class {name!r} has {len(rows)} rows, fewer than shots={shots}. "
                "Pass fewer shots, or label more rows."
            )
        rows_by_class.append(rng.choice(rows, size=shots, replace=False))
    return np.concatenate(rows_by_class)


def stratified_split(
    labels: LabelsLike, *, test_share: float = 0.2, seed: int = 0
) -> tuple[IntArray, IntArray]:
    """Split rows into two parts with the same class proportions.

    Parameters
    ----------
    labels : sequence of length n
        One label per row.
    test_share : float
        Share of the rows in the second part, between 0 and 1.
    seed : int
        The same seed returns the same split.

    Returns
    -------
    train, test : ndarray
        Row numbers in ascending order. A class with one row stays in ``train``.

    Raises
    ------
    InputError
        If ``test_share`` is not between 0 and 1.
    """
    return codes_split(_codes(labels), test_share=test_share, seed=seed)


def number_split(
    numbers: FloatArray, *, test_share: float = 0.2, seed: int = 0
) -> tuple[IntArray, IntArray]:
    """Split rows with numbers into two parts with similar distributions of the numbers.

    Parameters
    ----------
    numbers : ndarray of shape (n,)
    test_share : float
        Share of the rows in the second part, between 0 and 1.
    seed : int
        The same seed returns the same split.

    Returns
    -------
    train, test : ndarray
        Row numbers in ascending order.
    """
    return codes_split(np.asarray(numbers, np.float64), test_share=test_share, seed=seed)


def codes_split(codes: AnyArray, *, test_share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Split rows with class codes, several labels or numbers into two similar parts.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_classes)
        As for ``stratified_folds``.
    test_share : float
        Share of the rows in the second part, between 0 and 1.
    seed : int
        The same seed returns the same split.

    Returns
    -------
    train, test : ndarray
        Row numbers in ascending order. A class with one row stays in ``train``.

    Raises
    ------
    InputError
        If ``test_share`` is not between 0 and 1.
    """
    if not 0 < test_share < 1:
        raise InputError(f"test_share must lie between 0 and 1, got {test_share}. Try 0.2.")
    chosen = _spread(codes, test_share, seed=seed)
    if codes.ndim == 1 and codes.dtype.kind != "f":
        chosen &= np.bincount(codes)[codes] > 1
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def group_split(
    groups: LabelsLike, *, test_share: float = 0.2, seed: int = 0
) -> tuple[IntArray, IntArray]:
    """Split rows into two parts so that no group (a customer, a document) is in both parts.

    Parameters
    ----------
    groups : sequence of length n
        The group of each row, for example a customer, a document or a sentence with translations.
    test_share : float
        Share of the groups in the second part.
    seed : int
        The same seed returns the same split.

    Returns
    -------
    train, test : ndarray
        Row numbers in ascending order.
    """
    from sklearn.model_selection import GroupShuffleSplit

    codes = _codes(groups)
    if len(np.unique(codes)) < 2:
        raise InputError(
            "A split by group needs at least two groups, got one. Use stratified_split instead."
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=test_share, random_state=seed)
    train, test = next(splitter.split(codes, groups=codes))
    return train, test


def stratified_folds(codes: AnyArray, n_folds: int, *, seed: int) -> IntArray:
    """Assign rows to folds so that each class is distributed as evenly as its size allows.

    Classes with fewer rows than folds are allowed, unlike in other splitters. A class with a single
    row is in one fold, and the models of the other folds are trained on it.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_classes)
        Class codes, zeros and ones for several labels per row, or numbers (n,). Numbers are
        distributed so that every fold has small and large ones.
    n_folds : int
        Number of folds.
    seed : int
        The same seed returns the same folds.

    Returns
    -------
    ndarray of shape (n,)
        The fold of each row, from 0 to ``n_folds - 1``.
    """
    ordered = _class_by_class(codes, seed=seed)
    folds = np.empty(len(codes), dtype=np.int64)
    folds[ordered] = np.arange(len(codes)) % n_folds
    return folds


def sampled_folds(
    codes: AnyArray, n_folds: int, *, max_rows: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Return row numbers for a cross-validation, and the fold of each.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Class of each row.
    n_folds : int
        Number of folds, if a class has as many rows; at least 2.
    max_rows : int
        Maximum number of rows.
    seed : int

    Returns
    -------
    rows, folds : ndarray of shape (n_rows,)
    """
    rows = stratified_sample(codes, max_rows, seed=seed)
    n_folds = int(min(n_folds, max(2, np.bincount(codes[rows]).max())))
    return rows, stratified_folds(codes[rows], n_folds, seed=seed)


def stratified_sample(codes: AnyArray, most: int, *, seed: int) -> IntArray:
    """Return at most ``most`` row numbers in ascending order, with the same class proportions."""
    if len(codes) <= most:
        return np.arange(len(codes))
    return np.flatnonzero(_spread(codes, most / len(codes), seed=seed))


def nested_order(codes: AnyArray, *, seed: int) -> IntArray:
    """Order rows at random so that each beginning of the order has similar class proportions.

    The order begins with one row of each class. Its first n rows are a training set of n rows that
    contains each smaller one.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_classes)
        As for ``stratified_folds``. Numbers are grouped by their size, and each group is a class.
    seed : int
        The same seed returns the same order.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers.

    Examples
    --------
    >>> codes = np.array([0] * 6 + [1] * 3)
    >>> codes[nested_order(codes, seed=0)][:2].tolist() in ([0, 1], [1, 0])
    True
    """
    rows = _class_by_class(codes, seed=seed)
    _, starts, counts = np.unique(_strata(codes)[rows], return_index=True, return_counts=True)
    rank = np.arange(len(rows)) - np.repeat(starts, counts)
    position = np.where(rank == 0, -1.0, (rank + 0.5) / np.repeat(counts, counts))
    ties = np.random.default_rng(seed).random(len(rows))
    order: IntArray = rows[np.lexsort((ties, position))]
    return order


def _spread(codes: AnyArray, share: float, *, seed: int) -> AnyArray:
    """Return a mask of ``share`` of the rows, with the same share in every class."""
    steps = np.floor(np.arange(len(codes) + 1) * share + 1e-9)
    marked = np.zeros(len(codes), dtype=bool)
    marked[_class_by_class(codes, seed=seed)] = np.diff(steps) > 0
    return marked


def _class_by_class(codes: AnyArray, *, seed: int) -> IntArray:
    """Return the row numbers grouped by class, in random order within each class."""
    order = np.random.default_rng(seed).permutation(len(codes))
    return order[np.argsort(_strata(codes)[order], kind="stable")]


def _strata(codes: AnyArray) -> AnyArray:
    """Return the stratum of each row: its class, its rarest label, or its range of numbers."""
    if codes.dtype.kind == "f":
        return np.argsort(np.argsort(codes, kind="stable"), kind="stable") // _NUMBERS_PER_STRATUM
    if codes.ndim == 1:
        return codes
    rarity = np.argsort(np.argsort(codes.sum(axis=0), kind="stable"), kind="stable")
    rarest: IntArray = np.where(codes > 0, rarity, codes.shape[1]).min(axis=1)
    return rarest


def _codes(labels: LabelsLike) -> IntArray:
    plain = as_list(labels)
    order = {label: code for code, label in enumerate(distinct(plain).tolist())}
    return np.array([order[key_of(label)] for label in plain])

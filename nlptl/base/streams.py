"""Additional rows that a transfer draws batches from, and tokens that are hidden in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from nlptl.base.arrays import IntArray

if TYPE_CHECKING:
    from torch import Tensor


class TokenRows(Protocol):
    """Tokenized rows, from ``Context.rows_of``."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    @property
    def ids(self) -> Sequence[Sequence[int]]:
        """Token ids of each window."""
        ...

    def by_window(self) -> TokenRows:
        """Return every window of these rows as a row of its own."""
        ...

    def first_windows(self) -> TokenRows:
        """Return the first window of each text."""
        ...


@dataclass(frozen=True, eq=False)
class Altered:
    """Tokens of one window after some of them were hidden.

    Attributes
    ----------
    ids : list of int
        The token ids that the encoder reads instead of the original ones, in the same number.
    hidden : ndarray of shape (n_hidden,)
        Positions of the tokens to predict, ascending.
    """

    ids: list[int]
    hidden: IntArray


Hiding: TypeAlias = Callable[[Sequence[Sequence[int]], np.random.Generator], Sequence[Altered]]
"""Takes the token ids of all windows of a step and a generator; returns the altered windows."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows to draw batches from, with the way in which a step uses them.

    Attributes
    ----------
    rows : TokenRows
    ratio : float
        Number of rows per step, relative to ``batch_size``.
    hides : callable or None
        Hides tokens of the rows of a step. It receives a generator that depends only on the seed
        and the step, so that all processes and resumed runs hide the same tokens.
    follows : str or None
        Name of an earlier stream with the same number of rows. Each step then takes the rows with
        the same numbers as from that stream.
    """

    rows: TokenRows
    ratio: float = 1.0
    hides: Hiding | None = None
    follows: str | None = None


@dataclass(frozen=True, eq=False)
class HiddenTokens:
    """The hidden tokens of a batch, from a stream with ``hides``.

    Attributes
    ----------
    windows, positions : Tensor of shape (n_hidden,)
        Window of each hidden token in the batch, and its position in the window: the indices of
        its hidden state in ``HiddenStates.states``.
    tokens : Tensor of shape (n_hidden,)
        The original ids.
    weights : Tensor of shape (n_hidden,)
        Weights for a mean over all hidden tokens of the step. They sum to 1 per pass on average.
    """

    windows: Tensor
    positions: Tensor
    tokens: Tensor
    weights: Tensor


class Batch(Protocol):
    """Rows of one step.

    Attributes
    ----------
    truth : Tensor or None
        Class codes (n,), zeros and ones (n, n_labels), numbers or vectors; None without labels.
    weights : Tensor of shape (n,)
        Weight of each row.
    domains : Tensor of shape (n,) or None
        Domain of each row: 0 for the target, 1 and above for sources. None without labels.
    numbers : Tensor of shape (n,)
        Number of each row in its stream.
    mean_weights : Tensor of shape (n,)
        Weights for a mean over all rows of the step. They sum to 1 per pass on average.
    hidden : HiddenTokens or None
        The hidden tokens, if the stream hides some.
    """

    @property
    def truth(self) -> Any:
        """Labels of the rows, or None."""
        ...

    @property
    def weights(self) -> Tensor:
        """Weight of each row."""
        ...

    @property
    def domains(self) -> Any:
        """Domain of each row, or None."""
        ...

    @property
    def numbers(self) -> Any:
        """Number of each row in its stream."""
        ...

    @property
    def mean_weights(self) -> Any:
        """Weight of each row in a mean over the rows of the step."""
        ...

    @property
    def hidden(self) -> HiddenTokens | None:
        """The hidden tokens, or None."""
        ...

"""Weights of source rows: their effective share, their check and their report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError

MIN_EFFECTIVE_SHARE = 0.1
"""Weights with a smaller effective share are refused: too few rows would decide everything."""

_MAX_SHOWN_CHARACTERS = 70
_SHOWN = 3


def effective_share(weights: FloatArray) -> float:
    """Return the effective sample size of weighted rows as a share of their number [1]_.

    It is (sum w)^2 / (n sum w^2): 1 if all weights are equal, 1 / n if one row has all the weight.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        0 or above. If all are 0, the share is 0.

    References
    ----------
    .. [1] Kish, "Survey Sampling", 1965.

    Examples
    --------
    >>> effective_share(np.array([1.0, 1.0, 0.0, 0.0]))
    0.5
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / (len(weights) * squares) if squares > 0 else 0.0


def checked_weights(weights: FloatArray, *, method: str) -> FloatArray:
    """Divide weights by their mean, or refuse them if few rows have most of the weight.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        0 or above.
    method : str
        What computed the weights, for the message.

    Raises
    ------
    ConfigError
        If the effective share is below 0.1.
    """
    share = effective_share(weights)
    if share < MIN_EFFECTIVE_SHARE:
        raise ConfigError(
            f"The weights of {method} must have an effective sample share of at least "
            f"{MIN_EFFECTIVE_SHARE}, got {share:.3f}: few of the {len(weights)} source rows have "
            "nearly all the weight. Leave it out, or use a source that is closer to the target."
        )
    mean_one: FloatArray = weights / weights.mean()
    return mean_one


@dataclass(frozen=True, eq=False)
class SourceWeights:
    """Weights of the source rows of a fit, with their texts.

    Attributes
    ----------
    weights : ndarray of shape (n,)
        Weight of each source row. The mean of each domain is 1.
    texts : sequence of str or of (str, str)
        Text of each source row.
    domains : sequence of str
        Name of the domain of each source row.

    Examples
    --------
    >>> weights = SourceWeights(np.array([0.5, 1.5]), ["a bad plug", "a good book"], ["a", "a"])
    >>> weights.highest(1), weights.lowest(1)
    ([('a good book', 1.5)], [('a bad plug', 0.5)])
    >>> round(weights.effective_share, 2)
    0.8
    """

    weights: FloatArray
    texts: Sequence[str | tuple[str, str]]
    domains: Sequence[str]

    def __post_init__(self) -> None:
        sizes = len(self.weights), len(self.texts), len(self.domains)
        if len(set(sizes)) > 1:
            raise InputError(
                "SourceWeights needs one weight, one text and one domain per row, got "
                f"{sizes[0]}, {sizes[1]} and {sizes[2]}. Pass them in the same order."
            )

    @property
    def effective_share(self) -> float:
        """Effective sample size as a share of the number of rows."""
        return effective_share(self.weights)

    @property
    def effective_shares(self) -> dict[str, float]:
        """Effective share of each domain, by its name."""
        names = np.array(self.domains, dtype=object)
        return {name: effective_share(self.weights[names == name]) for name in _distinct(names)}

    def highest(self, n: int = 10) -> list[tuple[str | tuple[str, str], float]]:
        """Return the ``n`` texts with the highest weights, and these, the highest first."""
        return self._shown(np.argsort(-self.weights, kind="stable")[: max(n, 0)])

    def lowest(self, n: int = 10) -> list[tuple[str | tuple[str, str], float]]:
        """Return the ``n`` texts with the lowest weights, and these, the lowest first."""
        return self._shown(np.argsort(self.weights, kind="stable")[: max(n, 0)])

    def __str__(self) -> str:
        shares = self.effective_shares.items()
        by_domain = ", ".join(f"{name} {share:.2f}" for name, share in shares)
        lines = [f"{len(self.weights)} source rows, effective share {self.effective_share:.2f}"]
        if len(shares) > 1:
            lines[0] += f" ({by_domain})"
        for title, rows in (("highest", self.highest(_SHOWN)), ("lowest", self.lowest(_SHOWN))):
            lines += [f"{title} {weight:.2f}: {_shortened(text)}" for text, weight in rows]
        return "\n".join(lines)

    def _shown(self, rows: IntArray) -> list[tuple[str | tuple[str, str], float]]:
        return [(self.texts[row], float(self.weights[row])) for row in rows]


def _distinct(names: FloatArray) -> list[str]:
    return list(dict.fromkeys(names.tolist()))


def _shortened(text: str | tuple[str, str]) -> str:
    line = " ".join((text if isinstance(text, str) else " | ".join(text)).split())
    cut = line[: _MAX_SHOWN_CHARACTERS - 3] + "..."
    return line if len(line) <= _MAX_SHOWN_CHARACTERS else cut

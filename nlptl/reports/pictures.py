"""Pictures of a model for its card, as PNG: the same figures give the same bytes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray

_MOST_NUMBERED = 20
_MOST_NAMED = 40
_MAX_LABEL = 30
"""Characters of a name."""


def has_pictures() -> bool:
    """Tell whether matplotlib is there: it comes with the extra ``plots``."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def confusion_picture(truth: IntArray, chosen: IntArray, names: Sequence[str]) -> bytes:
    """Draw which class was taken for which.

    Parameters
    ----------
    truth, chosen : ndarray of int of shape (n,)
        Codes of classes.
    names : sequence of str
        Of the classes.
    """
    n = len(names)
    counts = np.zeros((n, n), dtype=int)
    np.add.at(counts, (truth, chosen), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(side := min(4 + 0.3 * n, 12), side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if n <= _MOST_NAMED:
        short = [shorten(name, _MAX_LABEL) for name in names]
        axes.set_xticks(range(n), short, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(n), short, fontsize=8, parse_math=False)
    if n <= _MOST_NUMBERED:
        for row, column in np.ndindex(n, n):
            if counts[row, column]:
                dark = "white" if shares[row, column] > 0.5 else "black"
                told = str(counts[row, column])
                axes.text(column, row, told, ha="center", va="center", color=dark, fontsize=8)
    return _png(figure)


def curve_picture(losses: Sequence[float], scores: Sequence[float], best: int) -> bytes:
    """Draw what training lost on its rows, and scored on held-out ones, epoch after epoch.

    Parameters
    ----------
    losses, scores : sequence of float
        Of each epoch; of scores there may be none.
    best : int
        The epoch whose weights were kept, from 1; 0 where that is not told.
    """
    figure = _figure(6, 3.5)
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, "o-", color="tab:blue")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss on training rows", color="tab:blue")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if scores:
        other = axes.twinx()
        other.plot(range(1, len(scores) + 1), scores, "s-", color="tab:orange")
        other.set_ylabel("score on held-out rows", color="tab:orange")
    if best:
        axes.axvline(best, color="grey", linestyle=":")
    return _png(figure)


def shorten(name: str, most: int) -> str:
    """Give a name in one line of so many characters at most."""
    line = " ".join(name.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Any) -> bytes:
    found = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a script that the font has not is left blank
        figure.savefig(found, format="png", dpi=100, metadata={"Software": None})
    return found.getvalue()

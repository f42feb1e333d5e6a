"""PNG pictures for the card of a model. The same numbers result in the same bytes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import IntArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_CLASSES_WITH_COUNTS = 20
_MAX_CLASSES_WITH_NAMES = 40
_MAX_NAME_LENGTH = 30
"""Maximum number of characters of a class name."""


def has_pictures() -> bool:
    """Return True if matplotlib is installed, which is part of the extra ``plots``."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def confusion_picture(truth: IntArray, chosen: IntArray, names: Sequence[str]) -> bytes:
    """Draw the confusion matrix as PNG.

    Parameters
    ----------
    truth, chosen : ndarray of int of shape (n,)
        True and predicted class codes.
    names : sequence of str
        Class names.
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
    if n <= _MAX_CLASSES_WITH_NAMES:
        short = [shorten(name, _MAX_NAME_LENGTH) for name in names]
        axes.set_xticks(range(n), short, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(n), short, fontsize=8, parse_math=False)
    if n <= _MAX_CLASSES_WITH_COUNTS:
        for row, column in np.ndindex(n, n):
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                count = str(counts[row, column])
                axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    return _png(figure)


def curve_picture(losses: Sequence[float], scores: Sequence[float], best: int) -> bytes:
    """Draw the training loss and the score on held-out rows of each epoch as PNG.

    Parameters
    ----------
    losses, scores : sequence of float
        One value per epoch. ``scores`` may be empty.
    best : int
        Epoch whose weights were kept, counted from 1, or 0 if it is unknown.
    """
    figure = _figure(6, 3.5)
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, "o-", color="tab:blue")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss on training rows", color="tab:blue")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if scores:
        score_axes = axes.twinx()
        score_axes.plot(range(1, len(scores) + 1), scores, "s-", color="tab:orange")
        score_axes.set_ylabel("score on held-out rows", color="tab:orange")
    if best:
        axes.axvline(best, color="grey", linestyle=":")
    return _png(figure)


def shorten(name: str, max_length: int) -> str:
    """Return a name in one line of at most ``max_length`` characters."""
    line = " ".join(name.split())
    return line if len(line) <= max_length else line[: max_length - 3] + "..."


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # missing glyphs stay blank
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()

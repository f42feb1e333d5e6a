"""PNG pictures for the card of a model. The same numbers result in the same bytes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.evaluation.class_metrics import confused_pairs
from nlptl.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_CLASSES = 15
"""Maximum number of classes in a confusion matrix, so that names and counts can be read."""
_MAX_NAME_LENGTH = 30
"""Maximum number of characters of a class name."""


def has_pictures() -> bool:
    """Return True if matplotlib is installed, which is part of the extra ``plots``."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def confusion_picture(truth: IntArray, chosen: IntArray, names: Sequence[str]) -> bytes:
    """Draw the confusion matrix as PNG. With many classes, it has only the most confused ones.

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
    classes = most_confused(truth, chosen, n)
    figure = _figure(5.5 + 0.3 * len(classes), 4.5 + 0.3 * len(classes))
    axes = figure.subplots()
    drawn = np.ix_(classes, classes)
    image = axes.imshow(shares[drawn], cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the rows of the true class", shrink=0.7)
    left_out = n - len(classes)
    axes.set_title(
        f"The {len(classes)} most confused of {n} classes\n({left_out} classes are left out)"
        if left_out
        else f"Confusion matrix of {len(truth):,} rows"
    )
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    short = [shorten(names[code], _MAX_NAME_LENGTH) for code in classes]
    axes.set_xticks(range(len(classes)), short, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(range(len(classes)), short, fontsize=8, parse_math=False)
    for (row, column), count in np.ndenumerate(counts[drawn]):
        if count:
            colour = "white" if shares[drawn][row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    return _png(figure)


def most_confused(truth: IntArray, chosen: IntArray, n_classes: int) -> list[int]:
    """Return the classes of the most frequent mistakes, at most 15, in the order of the classes."""
    codes = [code for pair in confused_pairs(truth, chosen) for code in pair[:2]]
    return sorted(list(dict.fromkeys([*codes, *range(n_classes)]))[:_MAX_CLASSES])


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
    History(list(losses), list(scores), best).plot(figure.subplots())
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

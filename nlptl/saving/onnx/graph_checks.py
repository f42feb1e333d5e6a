"""Compare an exported graph with the model that it was exported from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import StorageError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.labels import LabelCodec, check_lengths

_BUILT_IN = "built-in sentences"


class GraphReader(Protocol):
    """A classifier that predicts with an exported graph."""

    @property
    def codec(self) -> LabelCodec:
        """The label set."""
        ...

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        ...

    def choose(self, probabilities: FloatArray) -> IntArray:
        """Return the class code of each row (n,), or zeros and ones (n, n_classes)."""
        ...


@dataclass(frozen=True)
class OnnxCheck:
    """The agreement of a graph with its model, which predicts in full precision.

    Attributes
    ----------
    rows : int
        Number of texts that both classified.
    texts : str
        Source of the texts: ``"probe"``, or ``"built-in sentences"``, which carry little
        information about the task.
    agreement : float
        Share of rows for which both predict the same label, or the same set of labels.
    apart : float
        Largest absolute difference between two probabilities.
    before, after : float or None
        Accuracy of the model and of the graph; None if the probe had no labels.
    """

    rows: int
    texts: str
    agreement: float
    apart: float
    before: float | None = None
    after: float | None = None

    def __str__(self) -> str:
        agreement = (
            f"The same label for {self.agreement:.1%} of {self.rows} rows ({self.texts}). "
            f"Probabilities differ by at most {self.apart:.2g}."
        )
        if self.before is None or self.after is None:
            return f"{agreement} Accuracy was not compared."
        return f"{agreement} Accuracy {self.before:.3f} before, {self.after:.3f} after."


def compare(
    reader: GraphReader,
    expected: FloatArray,
    texts: TextsLike,
    labels: LabelsLike | None = None,
    *,
    is_probe: bool,
) -> OnnxCheck:
    """Compare the predictions of a graph with those of its model.

    Parameters
    ----------
    reader : OnnxClassifier
    expected : ndarray of shape (n, n_classes)
        Probabilities of the model.
    texts : sequence of length n
    labels : sequence of length n, optional
    is_probe : bool
        True if the user passed the texts, False for built-in sentences.
    """
    truth = None if labels is None else reader.codec.encode(labels)
    if truth is not None:
        check_lengths(truth, reader.choose(expected))
    probabilities, choose = reader.predict_proba(texts), reader.choose
    same = _equal(choose(probabilities), choose(expected))
    check = OnnxCheck(
        rows=len(probabilities),
        texts="probe" if is_probe else _BUILT_IN,
        agreement=float(same.mean()),
        apart=float(np.abs(probabilities - expected).max()),
    )
    if truth is None:
        return check
    scores = {
        name: float(_equal(choose(shares), truth).mean())
        for name, shares in (("before", expected), ("after", probabilities))
    }
    return OnnxCheck(**{**vars(check), **scores})


def refuse_fallen(check: OnnxCheck, *, tolerance: float, max_difference: float | None) -> None:
    """Raise an error if a graph is worse than its model.

    Parameters
    ----------
    check : OnnxCheck
    tolerance : float
        Largest accepted loss of accuracy.
    max_difference : float or None
        Largest accepted difference between two probabilities; None for a quantised graph.

    Raises
    ------
    StorageError
        If the graph exceeds one of the two limits.
    """
    if max_difference is not None and not check.apart <= max_difference:
        raise StorageError(
            "The graph was not written. Its probabilities differ by up to "
            f"{check.apart:.2g} from those of the model, on {check.rows} rows ({check.texts}). "
            f"At most {max_difference:.2g} is allowed. Please report this."
        )
    if check.before is None or check.after is None:
        return
    lost = check.before - check.after
    if lost > tolerance + 1e-9:
        raise StorageError(
            f"The graph was not written. Its accuracy falls from {check.before:.4f} to "
            f"{check.after:.4f} on {check.rows} probe rows, by more than tolerance={tolerance}. "
            "Export with precision='fp32', or set a larger tolerance."
        )


def _equal(first: AnyArray, second: AnyArray) -> AnyArray:
    same: AnyArray = np.equal(first, second)
    return same if same.ndim == 1 else np.all(same, axis=1)

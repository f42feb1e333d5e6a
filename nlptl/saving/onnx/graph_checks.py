"""Holding an exported graph against the model that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import StorageError
from nlptl.data.labels import check_lengths

_BUILT_IN = "built-in sentences"


@dataclass(frozen=True)
class OnnxCheck:
    """How far a graph agrees with its model, which answered in full precision.

    Attributes
    ----------
    rows : int
        How many texts both answered.
    texts : str
        Which ones: ``"probe"``, or ``"built-in sentences"``, which tell little of the task.
    agreement : float
        Share of the rows to which both give the same label, or the same set of labels.
    apart : float
        The largest difference of two probabilities.
    before, after : float or None
        Accuracy of the model and of the graph, where the probe had labels.
    """

    rows: int
    texts: str
    agreement: float
    apart: float
    before: float | None = None
    after: float | None = None

    def __str__(self) -> str:
        told = (
            f"The same label for {self.agreement:.1%} of {self.rows} rows ({self.texts}); "
            f"probabilities are at most {self.apart:.2g} apart."
        )
        if self.before is None or self.after is None:
            return f"{told} Accuracy was not compared."
        return f"{told} Accuracy {self.before:.3f} before, {self.after:.3f} after."


def compare(
    reader: Any, expected: FloatArray, texts: Any, labels: Any = None, *, given: bool
) -> OnnxCheck:
    """Ask a graph, and hold its answers against those of the model.

    Parameters
    ----------
    reader : OnnxClassifier
    expected : ndarray of shape (n, n_classes)
        Probabilities of the model.
    texts : sequence of length n
    labels : sequence of length n, optional
    given : bool
        Whether the texts are the user's.
    """
    truth = None if labels is None else reader.codec.encode(labels)
    if truth is not None:
        check_lengths(truth, reader.choose(expected))
    found, choose = reader.predict_proba(texts), reader.choose
    same = _equal(choose(found), choose(expected))
    check = OnnxCheck(
        rows=len(found),
        texts="probe" if given else _BUILT_IN,
        agreement=float(same.mean()),
        apart=float(np.abs(found - expected).max()),
    )
    if truth is None:
        return check
    scores = {
        name: float(_equal(choose(said), truth).mean())
        for name, said in (("before", expected), ("after", found))
    }
    return OnnxCheck(**{**vars(check), **scores})


def refuse_fallen(check: OnnxCheck, *, tolerance: float, apart: float | None) -> None:
    """Refuse a graph that is worse than its model.

    Parameters
    ----------
    check : OnnxCheck
    tolerance : float
        So much accuracy may be lost.
    apart : float or None
        So far may two probabilities differ; None where numbers are coarser on purpose.

    Raises
    ------
    StorageError
        If more is lost.
    """
    if apart is not None and not check.apart <= apart:
        raise StorageError(
            f"The graph was not written: its probabilities differ by up to {check.apart:.2g} from "
            f"those of the model, on {check.rows} rows ({check.texts}). Please report this."
        )
    if check.before is None or check.after is None:
        return
    lost = check.before - check.after
    if lost > tolerance + 1e-9:
        raise StorageError(
            f"The graph was not written: accuracy falls from {check.before:.4f} to "
            f"{check.after:.4f} on {check.rows} probe rows, by more than {tolerance}. "
            "Write precision='fp32', or allow more with tolerance=."
        )


def _equal(first: Any, second: Any) -> Any:
    same = np.asarray(first) == np.asarray(second)
    return same if same.ndim == 1 else same.all(axis=1)

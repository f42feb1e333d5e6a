"""Labelled rows of another domain or language as extra training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class SourceRows(Transfer):
    """Train on labelled rows of another domain or language as well, each with a lower weight.

    Pass these rows to ``fit`` as ``source``. The other labelled rows are the target: the model is
    made for them and evaluated on them. Combine it with ``Frozen`` or ``Contrastive``. Methods
    that are trained on rows, or read their texts, use the source rows, too.

    Training on both sets of rows, weighted or not, is hard to beat if the target has few labels
    [1]_. It hurts if the source is too different from the target. To compare a model with and
    without source rows, use ``judge`` with ``fit_params={name: {"source": ...}}``.

    Parameters
    ----------
    weight : float
        Weight of each source row, relative to a target row; above 0.

    References
    ----------
    .. [1] Daumé, "Frustratingly Easy Domain Adaptation", ACL 2007, arXiv:0907.1815.
    """

    weight: float = 0.3

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "source"})
    paper: ClassVar[str] = "Daumé 2007, arXiv:0907.1815"

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")

"""Labelled rows of another domain or language, learnt from beside those at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class SourceRows(Transfer):
    """Learn from labelled rows of another domain or language too, each counting less.

    The rows are given to ``fit`` as ``source``; those at hand, the target, are the ones that a
    model is made for, and held against. It stands beside ``Frozen`` or ``Contrastive``; what
    learns from rows or reads their texts does so with those of the source too. Rows of the two
    together, weighed or not, are hard to beat where the target has few labels [1]_; where the
    source is too far they hurt: ``judge`` with ``fit_params={name: {"source": ...}}`` holds a model
    with them against one without.

    Parameters
    ----------
    weight : float
        What each source row counts, measured against a row of the target; above 0.

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

"""Labelled rows of another domain or language as extra training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer

SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares that ``share="auto"`` chooses from, with enough labelled target rows."""

MIN_ROWS_TO_CHOOSE_SHARE = 100
"""With fewer labelled target rows, the share is not chosen but set to 0.75."""


@dataclass(frozen=True)
class SourceRows(Transfer):
    """Train on labelled rows of another domain or language as well, with a share of the weight.

    Pass these rows to ``fit`` as ``source``. The other labelled rows are the target: the model is
    made for them and evaluated on them. Combine it with ``Frozen``, ``Contrastive``,
    ``FullFineTune`` or ``LoRA``. Methods that are trained on rows, or read their texts, use the
    source rows, too.

    A few target rows among many source rows hardly count if all rows have the same weight. A share
    of the total weight gives them influence (docs/domains.md has the figures) [1]_. Source rows
    hurt if the source is too different from the target. To compare a model with and without them,
    use ``judge`` with ``fit_params={name: {"source": ...}}``.

    Parameters
    ----------
    share : float or "auto"
        Share of the source rows in the total weight of all rows, from 0 to below 1. 0 leaves them
        out. ``"auto"`` chooses from 0, 0.25, 0.5 and 0.75 by cross-validation on the target rows.
        With fewer than 100 of them, it is 0.75. With more, but several labels per text or numbers,
        it is 0.5.
    weight : float, optional
        Weight of each source row relative to a target row, above 0. It replaces ``share``.
    private : bool
        True fits weights that all rows share, and additional weights for the target and for the
        source [1]_. It needs a frozen encoder, ``LogisticHead`` and one label per text. It can
        help from about 200 labelled target rows.

    References
    ----------
    .. [1] Daumé, "Frustratingly Easy Domain Adaptation", ACL 2007, arXiv:0907.1815.
    """

    share: float | str = "auto"
    weight: float | None = None
    private: bool = False

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Daumé 2007, arXiv:0907.1815"

    def __post_init__(self) -> None:
        if self.share != "auto" and (isinstance(self.share, str) or not 0 <= self.share < 1):
            raise ConfigError(
                f"share must be at least 0 and below 1, or 'auto', got {self.share!r}."
            )
        if self.weight is not None and not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")
        if self.weight is not None and self.share != "auto":
            raise ConfigError(
                f"share and weight contradict each other, got share={self.share} and "
                f"weight={self.weight}. Pass one of them."
            )
        if self.private:  # the class attribute describes the other form
            object.__setattr__(self, "supports", frozenset({"pairs"}))

    @property
    def chooses_share(self) -> bool:
        """True if the share of the source is chosen from the labelled target rows."""
        return self.share == "auto" and self.weight is None

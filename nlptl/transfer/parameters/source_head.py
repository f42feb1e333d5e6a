"""Parameter transfer of a linear head: shrink it towards the head of the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class SourceHead(Transfer):
    """Shrink the head of the target towards the head of the source instead of zero [1]_.

    A linear head is fitted to the source rows first. The head of the target is then fitted to the
    labelled target rows alone, with a penalty on its distance to the first one. With few labels it
    stays close to the head of the source. Combine it with ``Frozen``, and pass labelled target rows
    and ``source`` to ``fit``. Compare it with ``SourceRows``.

    Parameters
    ----------
    C : float or "cv"
        Inverse strength of the penalty, above 0. ``"cv"`` chooses it by cross-validation on the
        target rows. With fewer than 20 of them, it is 0.1.

    References
    ----------
    .. [1] Kuzborskij and Orabona, "Stability and Hypothesis Transfer Learning", ICML 2013.
    """

    C: float | str = "cv"

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs"})
    paper: ClassVar[str] = "Kuzborskij and Orabona 2013, ICML"

    def __post_init__(self) -> None:
        if self.C != "cv" and (isinstance(self.C, str) or not self.C > 0):
            raise ConfigError(f"C must be above 0, or 'cv', got {self.C!r}.")

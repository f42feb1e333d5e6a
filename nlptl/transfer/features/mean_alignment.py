"""Alignment of the means: shift frozen source features to the centre of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.arrays import FloatArray
from nlptl.base.transfer import DomainFeatures, Transfer


@dataclass(frozen=True)
class MeanAlignment(Transfer):
    """Shift frozen features of each source so that their mean is that of the target.

    Pass the target texts to ``fit`` as ``unlabeled``. Texts of another domain have other words, so
    their features have another mean. The shift removes this difference and nothing else [1]_.
    Combine it with ``Frozen``. It takes no time and has no setting. If the classes of the domains
    have other shares, a part of the difference between the classes is removed as well.

    References
    ----------
    .. [1] Sun, Feng and Saenko, "Return of Frustratingly Easy Domain Adaptation", AAAI 2016,
       arXiv:1511.05547. ``CORAL`` with strength 0 is the same.
    """

    compares_domains: ClassVar[bool] = True
    aligns_source: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Sun, Feng and Saenko 2016, arXiv:1511.05547"

    def align(self, features: DomainFeatures) -> FloatArray:
        """Return the features of the source rows, with the mean of the target features."""
        shift = features.target.mean(axis=0) - features.source.mean(axis=0)
        aligned: FloatArray = features.source + shift
        return aligned

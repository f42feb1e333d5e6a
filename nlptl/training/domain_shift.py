"""Record of the difference between source and target, before and after a training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import Self

from nlptl.base.described import make


@dataclass(frozen=True)
class DomainShift:
    """Difference between source texts and unlabelled target texts, before and after a training.

    All figures but ``source_class_shares`` come from a sample of both. "Before" refers to the
    frozen encoder and the head that was fitted to its features.

    Attributes
    ----------
    domain_accuracy_before, domain_accuracy_after : float or None
        Cross-validated accuracy of a linear classifier that separates source from target
        features. 0.5 means that it cannot distinguish them. None with too few rows.
    class_shares_before, class_shares_after : tuple of float
        Share of the target texts that the model predicts as each class, in the order of
        ``classes_``. Empty for numbers, and before the training if there was no head yet.
    source_class_shares : tuple of float
        Share of the source rows that have each class.
    entropy_before, entropy_after : float or None
        Mean entropy of the predicted probabilities of target texts, in nats. None if a text may
        have several labels or has a number, and before the training if there was no head yet.
    warning : str
        Sign of a collapse of the predictions; empty without one.
    """

    domain_accuracy_before: float | None = None
    domain_accuracy_after: float | None = None
    class_shares_before: tuple[float, ...] = ()
    class_shares_after: tuple[float, ...] = ()
    source_class_shares: tuple[float, ...] = ()
    entropy_before: float | None = None
    entropy_after: float | None = None
    warning: str = ""

    @property
    def a_distance_before(self) -> float | None:
        """Proxy A-distance of the domains before the training, from 0 to 2."""
        return a_distance(self.domain_accuracy_before)

    @property
    def a_distance_after(self) -> float | None:
        """Proxy A-distance of the domains after the training, from 0 to 2."""
        return a_distance(self.domain_accuracy_after)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: object) -> Self:
        """Build the record from what ``to_json`` returned.

        Raises
        ------
        TypeError
            If a figure is of another type, or unknown.
        """
        return make(cls, described)


def a_distance(domain_accuracy: float | None) -> float | None:
    """Return the proxy A-distance [1]_ for the accuracy of a classifier of domains.

    It is ``2 * (1 - 2 * error)``, and 0 if the classifier is not better than chance.

    References
    ----------
    .. [1] Ben-David et al., "Analysis of Representations for Domain Adaptation", NeurIPS 2006.

    Examples
    --------
    >>> a_distance(0.75), a_distance(1.0), a_distance(0.4)
    (1.0, 2.0, 0.0)
    """
    if domain_accuracy is None:
        return None
    return max(2 * (1 - 2 * (1 - domain_accuracy)), 0.0)

"""Floor 3: what is carried over. Knows nothing of the training loop."""

from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.full import FullFineTune

METHODS = (Frozen, FullFineTune)
"""Every way of carrying knowledge over; docs/methods.md is made from it."""

__all__ = ["METHODS", "Frozen", "FullFineTune"]

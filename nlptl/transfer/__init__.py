"""Floor 3: what is carried over. Knows nothing of the training loop."""

from nlptl.transfer.features.frozen import Frozen

METHODS = (Frozen,)
"""Every way of carrying knowledge over; docs/methods.md is made from it."""

__all__ = ["METHODS", "Frozen"]

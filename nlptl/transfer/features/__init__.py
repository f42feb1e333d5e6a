"""Representations carried over as they are, or aligned."""

from nlptl.transfer.features.contrastive import Contrastive
from nlptl.transfer.features.frozen import Frozen

__all__ = ["Contrastive", "Frozen"]

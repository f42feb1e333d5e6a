"""Floor 3: what is carried over. Knows nothing of the training loop."""

from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.anchoring import L2SP
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA

METHODS = (Frozen, FullFineTune, LoRA, L2SP)
"""Every way of carrying knowledge over; docs/methods.md is made from it."""

__all__ = ["L2SP", "METHODS", "Frozen", "FullFineTune", "LoRA"]

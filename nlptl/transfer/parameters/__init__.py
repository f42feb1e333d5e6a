"""Parameters are carried over: pretrained weights are where training starts."""

from nlptl.transfer.parameters.full import FullFineTune

__all__ = ["FullFineTune"]

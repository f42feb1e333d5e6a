"""Relations carried over: what labels mean, and what they have to do with texts."""

from nlptl.transfer.relations.label_meaning import LabelMeaning

__all__ = ["LabelMeaning"]

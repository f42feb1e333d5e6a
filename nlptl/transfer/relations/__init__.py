"""Relations carried over: what labels mean, and what they have to do with texts."""

from nlptl.transfer.relations.meaning import LabelMeaning

__all__ = ["LabelMeaning"]

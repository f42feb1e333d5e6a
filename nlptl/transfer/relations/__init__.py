"""Relation transfer: what labels mean, and how they relate to texts."""

from nlptl.transfer.relations.label_meaning import LabelMeaning

__all__ = ["LabelMeaning"]

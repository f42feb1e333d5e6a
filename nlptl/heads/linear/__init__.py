"""Heads whose scores are a linear function of the features."""

from nlptl.heads.linear.blend import BlendHead
from nlptl.heads.linear.discriminant import DiscriminantHead
from nlptl.heads.linear.logistic import LogisticHead
from nlptl.heads.linear.ordinal import OrdinalHead
from nlptl.heads.linear.ridge import RidgeHead

__all__ = ["BlendHead", "DiscriminantHead", "LogisticHead", "OrdinalHead", "RidgeHead"]

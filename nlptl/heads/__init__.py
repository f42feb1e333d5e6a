"""Floor 2: features in, classes or numbers out.

A head is a solver (it fits itself) or a module (it is trained).
"""

from nlptl.heads.linear import BlendHead, DiscriminantHead, LogisticHead, OrdinalHead, RidgeHead
from nlptl.heads.meaning_head import MeaningHead
from nlptl.heads.mlp import MLPHead
from nlptl.heads.prototypes import PrototypeHead

__all__ = [
    "BlendHead",
    "DiscriminantHead",
    "LogisticHead",
    "MLPHead",
    "MeaningHead",
    "OrdinalHead",
    "PrototypeHead",
    "RidgeHead",
]

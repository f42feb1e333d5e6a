"""Floor 2: heads, which map features to classes or numbers.

A head is a solver, which has its own ``fit``, or a torch module, which the training loop trains.
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

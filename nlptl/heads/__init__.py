"""Floor 2: features in, classes out. A head is a solver (fits itself) or a module (is trained)."""

from nlptl.heads.blend import BlendHead
from nlptl.heads.discriminant import DiscriminantHead
from nlptl.heads.linear import LogisticHead
from nlptl.heads.mlp import MLPHead
from nlptl.heads.prototypes import PrototypeHead

__all__ = ["BlendHead", "DiscriminantHead", "LogisticHead", "MLPHead", "PrototypeHead"]

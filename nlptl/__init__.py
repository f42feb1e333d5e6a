"""Transfer learning on text: carry knowledge over, and know whether it helped.

Nothing heavy is imported here; every name is fetched from its home when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlptl.base.lazy import lazy_names

if TYPE_CHECKING:
    from nlptl.base.errors import NlptlError
    from nlptl.data.audit import audit
    from nlptl.data.corpus import Corpus
    from nlptl.data.reading import read_table
    from nlptl.data.samples import support_requests
    from nlptl.data.splits import k_shot
    from nlptl.encoders import FusedEncoder, StaticEncoder, TfidfEncoder, TransformerEncoder
    from nlptl.estimators.text_classifier import TextClassifier
    from nlptl.heads import BlendHead, DiscriminantHead, LogisticHead, MLPHead, PrototypeHead
    from nlptl.training.config import TrainingConfig
    from nlptl.transfer.features import Frozen
    from nlptl.transfer.parameters import FullFineTune

__version__ = "0.1.0"

_HOMES = {
    "BlendHead": "nlptl.heads",
    "Corpus": "nlptl.data.corpus",
    "DiscriminantHead": "nlptl.heads",
    "Frozen": "nlptl.transfer.features",
    "FullFineTune": "nlptl.transfer.parameters",
    "FusedEncoder": "nlptl.encoders",
    "LogisticHead": "nlptl.heads",
    "MLPHead": "nlptl.heads",
    "NlptlError": "nlptl.base.errors",
    "PrototypeHead": "nlptl.heads",
    "StaticEncoder": "nlptl.encoders",
    "TextClassifier": "nlptl.estimators.text_classifier",
    "TfidfEncoder": "nlptl.encoders",
    "TrainingConfig": "nlptl.training.config",
    "TransformerEncoder": "nlptl.encoders",
    "audit": "nlptl.data.audit",
    "k_shot": "nlptl.data.splits",
    "read_table": "nlptl.data.reading",
    "support_requests": "nlptl.data.samples",
}

__all__ = [
    "BlendHead",
    "Corpus",
    "DiscriminantHead",
    "Frozen",
    "FullFineTune",
    "FusedEncoder",
    "LogisticHead",
    "MLPHead",
    "NlptlError",
    "PrototypeHead",
    "StaticEncoder",
    "TextClassifier",
    "TfidfEncoder",
    "TrainingConfig",
    "TransformerEncoder",
    "__version__",
    "audit",
    "k_shot",
    "read_table",
    "support_requests",
]


def __getattr__(name: str) -> Any:
    return lazy_names(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)

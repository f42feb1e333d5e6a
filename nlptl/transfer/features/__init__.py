"""Feature transfer: representations that are used unchanged, or tuned before a head is fitted."""

from nlptl.transfer.features.continued_pretraining import ContinuedPretraining
from nlptl.transfer.features.contrastive import Contrastive
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation

__all__ = ["ContinuedPretraining", "Contrastive", "Frozen", "LanguageDistillation"]

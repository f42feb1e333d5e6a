"""Representations carried over as they are, or aligned."""

from nlptl.transfer.features.contrastive import Contrastive
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation

__all__ = ["Contrastive", "Frozen", "LanguageDistillation"]

"""Feature transfer: representations that are used unchanged, or tuned before a head is fitted."""

from nlptl.transfer.features.class_confusion import ClassConfusion
from nlptl.transfer.features.continued_pretraining import ContinuedPretraining
from nlptl.transfer.features.contrastive import Contrastive
from nlptl.transfer.features.coral import CORAL
from nlptl.transfer.features.domain_adversarial import DomainAdversarial
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation
from nlptl.transfer.features.mean_alignment import MeanAlignment
from nlptl.transfer.features.mmd import MMD

__all__ = [
    "CORAL",
    "MMD",
    "ClassConfusion",
    "ContinuedPretraining",
    "Contrastive",
    "DomainAdversarial",
    "Frozen",
    "LanguageDistillation",
    "MeanAlignment",
]

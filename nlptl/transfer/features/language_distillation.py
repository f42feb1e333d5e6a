"""Distillation into other languages: translations get the vectors of their sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Outputs, Transfer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LanguageDistillation(Transfer):
    """Train an encoder to give a translation the vector that a teacher gives the sentence.

    Sentences in the language of the teacher keep their vectors. A model that was trained on them
    still works, and can read the other languages as well [1]_.

    The loss has two parts. The first compares each vector with that of the teacher. The second
    compares the cosine similarities to all sentences of a pass with those of the teacher. The
    encoder thus learns which sentences are similar. Sentences with the same meaning are not pushed
    away from each other.

    Parameters
    ----------
    comparison : float
        Weight of the comparison within the batch, relative to the first part; 0 leaves it out.
    temperature : float
        Divisor of the cosine similarities in the comparison within the batch, above 0.

    References
    ----------
    .. [1] Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using
       Knowledge Distillation", EMNLP 2020, arXiv:2004.09813.
    """

    comparison: float = 0.1
    temperature: float = 0.05

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset()
    supports: ClassVar[frozenset[str]] = frozenset()
    paper: ClassVar[str] = "Reimers and Gurevych 2020, arXiv:2004.09813"

    def __post_init__(self) -> None:
        if self.comparison < 0:
            raise ConfigError(f"comparison must be at least 0, got {self.comparison}.")
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Return the distillation loss for one network."""
        return _Bound(self)


@dataclass(frozen=True)
class _Bound(BoundTransfer):
    """Distillation loss on the rows of a batch."""

    spec: LanguageDistillation
    replaces_loss: ClassVar[bool] = True

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Any:
        """Return the distance between the vectors of a batch and those of the teacher."""
        rows = outputs["task"]
        return mirror_loss(rows.features, rows.batch.truth, rows.batch.mean_weights, self.spec)


def mirror_loss(
    features: Tensor, truth: Tensor, weights: Tensor, spec: LanguageDistillation
) -> Tensor:
    """Compute the distance between vectors and those of the teacher.

    Parameters
    ----------
    features : Tensor of shape (n, dim)
    truth : Tensor of shape (n, dim)
        Vectors of the teacher.
    weights : Tensor of shape (n,)
        Weight of each row. The weights should sum to 1.
    spec : LanguageDistillation

    Returns
    -------
    Tensor
        A scalar: the weighted mean of the loss per row. That is the sum of 1 minus the cosine
        similarity, the squared relative error of the length, and ``spec.comparison`` times the
        Kullback-Leibler divergence of the similarities to the rows of the same pass, as softmax
        shares.
    """
    from torch.nn import functional

    student = functional.normalize(features.float(), dim=1)
    teacher = functional.normalize(truth.float(), dim=1)
    length_ratio = features.float().norm(dim=1) / truth.float().norm(dim=1).clamp(min=1e-12)
    losses = 1 - (student * teacher).sum(dim=1) + (length_ratio - 1) ** 2
    if spec.comparison:
        shares = functional.softmax(teacher @ teacher.T / spec.temperature, dim=1)
        log_shares = functional.log_softmax(student @ teacher.T / spec.temperature, dim=1)
        divergence = functional.kl_div(log_shares, shares, reduction="none").sum(dim=1)
        losses = losses + spec.comparison * divergence
    total: Tensor = (losses * weights).sum()
    return total

"""Distillation into other languages: a translation is to lie where the sentence does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer


@dataclass(frozen=True)
class LanguageDistillation(Transfer):
    """An encoder learns to give a translation the vector that its teacher gives the sentence.

    Sentences of the teacher's own language keep their vectors, so that what was trained on
    them goes on to work, and reads the other languages too [1]_. Beside the cosine to the right
    vector, the cosines to those of all sentences of the batch are to be as the teacher has them:
    which sentences are alike is learnt too, and two that mean the same are not driven apart.

    Parameters
    ----------
    comparison : float
        What the comparison within the batch counts beside the cosine; 0 is the cosine alone.
    temperature : float
        Cosines are divided by it before they are compared. Above 0.

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
    paper: ClassVar[str] = "Reimers and Gurevych 2020, arXiv:2004.09813"

    def __post_init__(self) -> None:
        if self.comparison < 0:
            raise ConfigError(f"comparison must be at least 0, got {self.comparison}.")
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Make ready to hold vectors against those of the teacher."""
        return _Bound(self)


@dataclass(frozen=True)
class _Bound(BoundTransfer):
    """The comparison of vectors with those of the teacher."""

    spec: LanguageDistillation
    replaces_loss: ClassVar[bool] = True

    def loss(self, outputs: Mapping[str, Any], progress: float) -> Any:
        """Give how far the vectors of a batch are from those of the teacher."""
        rows = outputs["task"]
        return mirror_loss(rows.features, rows.batch.truth, rows.batch.weights, self.spec)


def mirror_loss(features: Any, truth: Any, weights: Any, spec: LanguageDistillation) -> Any:
    """Give how far vectors are from where they should lie.

    Parameters
    ----------
    features : Tensor of shape (n, dim)
    truth : Tensor of shape (n, dim)
        The vectors of the teacher.
    weights : Tensor of shape (n,)
        What each row counts.
    spec : LanguageDistillation

    Returns
    -------
    Tensor
        A scalar: the weighted mean of one less the cosine, of the squared share by which a vector
        is too long or too short, and of the divergence of the shares that the sentences of the
        batch get.
    """
    from torch.nn import functional

    found = functional.normalize(features.float(), dim=1)
    wanted = functional.normalize(truth.float(), dim=1)
    longer = features.float().norm(dim=1) / truth.float().norm(dim=1).clamp(min=1e-12)
    losses = 1 - (found * wanted).sum(dim=1) + (longer - 1) ** 2
    if spec.comparison:
        shares = functional.softmax(wanted @ wanted.T / spec.temperature, dim=1)
        own = functional.log_softmax(found @ wanted.T / spec.temperature, dim=1)
        apart = functional.kl_div(own, shares, reduction="none").sum(dim=1)
        losses = losses + spec.comparison * apart
    return (losses * weights).sum()

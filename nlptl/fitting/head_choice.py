"""Choose the head of a fit and check that it suits the encoder and the labels."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Encoder, Features, ModuleFusion, ModuleHead, SolverHead
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.targets import Targets
from nlptl.heads.linear import BlendHead, LogisticHead, OrdinalHead, RidgeHead
from nlptl.heads.meaning_head import MeaningHead


def check_head(head: object, codec: LabelCodec | NumberScale | None = None) -> None:
    """Check that a value is a head and that it suits the labels or numbers.

    Raises
    ------
    ConfigError
        If it is not a head, or predicts classes instead of numbers or vice versa.
    """
    numeric = isinstance(codec, NumberScale)
    is_head = head is None or isinstance(head, SolverHead | ModuleHead) or hasattr(head, "fit")
    if not is_head or isinstance(head, type):
        suitable = "RidgeHead()" if numeric else "LogisticHead()"
        raise ConfigError(
            f"head must be a head such as {suitable}, got {head!r}. Leave it out to use the "
            "default."
        )
    if not hasattr(head, "__sklearn_tags__"):
        return
    if numeric and is_classifier(head):
        raise ConfigError(
            f"{type(head).__name__} predicts classes, not numbers. Use RidgeHead, MLPHead or a "
            "scikit-learn regressor with TextRegressor."
        )
    if not numeric and is_regressor(head):
        raise ConfigError(
            f"{type(head).__name__} predicts numbers, not classes. Use it with TextRegressor, or "
            "use LogisticHead."
        )
    if isinstance(codec, LabelCodec):
        in_codes(head, codec)


def in_codes(head: object, codec: LabelCodec | NumberScale) -> Any:
    """Return the head with its order of labels converted to an order of class codes.

    Heads without an order are returned as they are.

    Raises
    ------
    ConfigError
        If the head orders labels, but a text may have several labels.
    """
    if not isinstance(head, OrdinalHead) or not isinstance(codec, LabelCodec):
        return head
    if codec.form != "single":
        raise ConfigError(
            f"{type(head).__name__} needs one label per text, but a text may have several of "
            f"{codec.n_outputs} labels. Use LogisticHead."
        )
    return head.in_codes(codec.classes)


def default_head(
    head: SolverHead | ModuleHead | None,
    encoder: Encoder,
    features: Features,
    targets: Targets,
    *,
    seed: int,
) -> Any:
    """Return ``head``, or the default head for the data if it is None."""
    if head is not None:
        return head
    if targets.numeric:
        return RidgeHead()
    # The discriminant of BlendHead needs dense features, one label per text and no fusion.
    logistic_only = targets.several or issparse(features) or fusion_of(encoder) is not None
    return LogisticHead(seed=seed) if logistic_only else BlendHead(seed=seed)


def suited(head: object, features: Features, codec: LabelCodec | NumberScale) -> Any:
    """Return the head for class codes after checking that it can be fitted to the features.

    Raises
    ------
    ConfigError
        If the features are sparse word counts, and the head needs dense features. Also if the
        head orders labels, but a text may have several labels.
    """
    if issparse(features) and not get_tags(head).input_tags.sparse:
        name, advice = type(head).__name__, "Use LogisticHead with TfidfEncoder."
        if isinstance(head, MeaningHead):
            name, advice = "LabelMeaning()", "Leave it out, or use an encoder of dense vectors."
        raise ConfigError(
            f"{name} cannot be fitted to {features.shape[1]} word counts: it needs dense features. "
            f"{advice}"
        )
    return in_codes(head, codec)


def fusion_of(encoder: Encoder) -> ModuleFusion | None:
    """Return the fusion of an encoder that is trained with the head, or None."""
    fusion = getattr(encoder, "fusion", None)
    return fusion if isinstance(fusion, ModuleFusion) else None


def is_solver(head: object, encoder: Encoder) -> bool:
    """Return True if the head has a ``fit`` method, False if it is trained as a network.

    Raises
    ------
    ConfigError
        If the encoder has a fusion that cannot be trained together with the head.
    """
    fusion = fusion_of(encoder)
    if fusion is None:
        return hasattr(head, "fit")
    if not isinstance(head, ModuleHead) or isinstance(head, OrdinalHead):
        raise ConfigError(
            f"{type(fusion).__name__} is trained together with the head, which "
            f"{type(head).__name__} does not allow. Use LogisticHead or MLPHead."
        )
    return False


def dense(features: Features) -> FloatArray:
    """Return the features after checking that they are dense.

    Raises
    ------
    ConfigError
        If the features are sparse word counts.
    """
    if issparse(features):
        raise ConfigError(
            f"A network cannot be trained on {features.shape[1]} word counts: it needs dense "
            "features. Use LogisticHead with TfidfEncoder."
        )
    return features

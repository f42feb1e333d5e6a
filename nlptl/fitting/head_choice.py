"""Which head a fit takes, and whether it can be fitted."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features, ModuleFusion, ModuleHead, SolverHead
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.targets import Targets
from nlptl.heads.linear import BlendHead, LogisticHead, OrdinalHead, RidgeHead


def check_head(head: Any, codec: LabelCodec | NumberScale | None = None) -> None:
    """Refuse what can be no head, or none for these labels or numbers."""
    numeric = isinstance(codec, NumberScale)
    known = head is None or isinstance(head, SolverHead | ModuleHead) or hasattr(head, "fit")
    if not known or isinstance(head, type):
        suitable = "RidgeHead()" if numeric else "LogisticHead()"
        raise ConfigError(f"head must be a head such as {suitable}, got {head!r}.")
    if not hasattr(head, "__sklearn_tags__"):
        return
    if numeric and is_classifier(head):
        raise ConfigError(
            f"{type(head).__name__} tells classes apart and predicts no numbers. Use RidgeHead, "
            "MLPHead or a scikit-learn regressor with TextRegressor."
        )
    if not numeric and is_regressor(head):
        raise ConfigError(
            f"{type(head).__name__} predicts numbers and tells no classes apart. Use it with "
            "TextRegressor, or take LogisticHead."
        )
    if isinstance(codec, LabelCodec):
        in_codes(head, codec)


def in_codes(head: Any, codec: LabelCodec) -> Any:
    """Give the head as one for the codes of labels: an order of labels becomes one of codes.

    Raises
    ------
    ConfigError
        If it orders labels of which a text may have several.
    """
    if not isinstance(head, OrdinalHead):
        return head
    if codec.form != "single":
        raise ConfigError(
            f"{type(head).__name__} puts one label a text in order, and here a text may have "
            f"several of {codec.n_outputs}. Use LogisticHead."
        )
    return head.in_codes(codec.classes)


def default_head(
    head: Any, encoder: Any, features: Features, targets: Targets, *, seed: int
) -> Any:
    """Give the head asked for, or the one that suits the data where none was."""
    if head is not None:
        return head
    if targets.numeric:
        return RidgeHead()
    # A discriminant needs dense features, one label a text, and no fusion trained with it.
    alone = targets.several or issparse(features) or fusion_of(encoder) is not None
    return LogisticHead(seed=seed) if alone else BlendHead(seed=seed)


def suited(head: Any, features: Features) -> Any:
    """Give the head, unless it cannot read the features.

    Raises
    ------
    ConfigError
        If the features are word counts, and the head needs every number written out.
    """
    if issparse(features) and not get_tags(head).input_tags.sparse:
        raise ConfigError(
            f"{type(head).__name__} cannot be fitted to {features.shape[1]} word counts. "
            "Use LogisticHead with TfidfEncoder."
        )
    return head


def fusion_of(encoder: Any) -> ModuleFusion | None:
    """Give the fusion that an encoder wants trained with the head, if there is one."""
    fusion = getattr(encoder, "fusion", None)
    return fusion if isinstance(fusion, ModuleFusion) else None


def is_solver(head: Any, encoder: Any) -> bool:
    """Decide between solving and training, and refuse what can do neither."""
    if fusion_of(encoder) is None:
        return hasattr(head, "fit")
    if not isinstance(head, ModuleHead) or isinstance(head, OrdinalHead):
        raise ConfigError(
            f"{type(encoder.fusion).__name__} is trained together with the head, which "
            f"{type(head).__name__} does not allow. Use LogisticHead or MLPHead."
        )
    return False


def dense(features: Features) -> FloatArray:
    """Give features that a network can be trained on."""
    if issparse(features):
        raise ConfigError(
            f"A network cannot be trained on {features.shape[1]} word counts. "
            "Use LogisticHead with TfidfEncoder."
        )
    return features

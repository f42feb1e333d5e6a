"""The closed list of heads that a model folder may hold, and their learnt numbers."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import StorageError
from nlptl.base.names import suggest
from nlptl.heads.fitting import OneVsRest

HEAD_KINDS = MappingProxyType(
    {
        "BlendHead": "nlptl.heads.linear.blend",
        "DiscriminantHead": "nlptl.heads.linear.discriminant",
        "LogisticHead": "nlptl.heads.linear.logistic",
        "MLPHead": "nlptl.heads.mlp",
        "MeaningHead": "nlptl.heads.meaning",
        "OrdinalHead": "nlptl.heads.linear.ordinal",
        "PrototypeHead": "nlptl.heads.prototypes",
        "RidgeHead": "nlptl.heads.linear.ridge",
    }
)
"""Class name to module."""

_LEARNT = MappingProxyType(
    {
        "BlendHead": ("coef_", "intercept_"),
        "DiscriminantHead": ("coef_", "intercept_"),
        "LogisticHead": ("coef_", "intercept_"),
        "MeaningHead": ("coef_", "intercept_", "centre_", "scale_"),
        "OrdinalHead": ("coef_", "intercept_"),
        "PrototypeHead": ("prototypes_",),
        "RidgeHead": ("coef_", "intercept_"),
    }
)


def describe_head(head: Any) -> dict[str, Any]:
    """Give a head, not what it learnt, as plain JSON.

    Raises
    ------
    StorageError
        If it is not one of nlptl's own heads.
    """
    kind = type(head).__name__
    if kind not in HEAD_KINDS:
        raise StorageError(
            f"A head of type {kind} cannot be saved: only {', '.join(HEAD_KINDS)} can, since "
            "nothing is ever pickled."
        )
    params = {name: _plain(value) for name, value in head.get_params(deep=False).items()}
    return {"kind": kind, "params": params}


def make_head(described: dict[str, Any]) -> Any:
    """Make the head that ``describe_head`` described."""
    kind = described["kind"]
    if kind not in HEAD_KINDS:
        raise StorageError(f"No head is called {kind!r}. {suggest(kind, HEAD_KINDS)}")
    params = {name: _tuples(value) for name, value in described["params"].items()}
    return getattr(import_module(HEAD_KINDS[kind]), kind)(**params)


def _plain(value: Any) -> Any:
    if hasattr(value, "get_params"):
        return describe_head(value)
    return list(value) if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return make_head(value)
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def solver_arrays(scorer: Any) -> dict[str, AnyArray]:
    """Give what a fitted solver head learnt, as arrays."""
    if isinstance(scorer, OneVsRest):
        parts: dict[str, AnyArray] = {}
        for label, head in enumerate(scorer.heads_):
            inner = {"always": np.array([head])} if isinstance(head, float) else solver_arrays(head)
            parts.update({f"{label}.{name}": array for name, array in inner.items()})
        return parts
    describe_head(scorer)
    learnt = _LEARNT[type(scorer).__name__]
    classes = ("classes_",) if hasattr(scorer, "classes_") else ()
    return {name: np.asarray(getattr(scorer, name)) for name in (*learnt, *classes)}


def restore_solver(head: Any, arrays: dict[str, AnyArray], *, several: bool) -> Any:
    """Put learnt arrays back into a head made by ``make_head``."""
    from sklearn.base import clone

    if not several:
        for name, array in arrays.items():
            setattr(head, name, array)
        head.n_features_in_ = arrays[_LEARNT[type(head).__name__][0]].shape[1]
        return head
    wrapped = OneVsRest(head)
    for label in range(1 + max(int(name.partition(".")[0]) for name in arrays)):
        own = {
            name.partition(".")[2]: array
            for name, array in arrays.items()
            if name.startswith(f"{label}.")
        }
        constant = own.get("always")
        wrapped.heads_.append(
            float(constant[0])
            if constant is not None
            else restore_solver(clone(head), own, several=False)
        )
    return wrapped

"""The closed list of heads that a model folder may hold, and their learnt numbers."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.base.suggestions import suggest
from nlptl.heads.solver_fit import OneVsRest
from nlptl.storage.tensors import check_array

HEAD_KINDS = MappingProxyType(
    {
        "BlendHead": "nlptl.heads.linear.blend",
        "DiscriminantHead": "nlptl.heads.linear.discriminant",
        "LogisticHead": "nlptl.heads.linear.logistic",
        "MLPHead": "nlptl.heads.mlp",
        "MeaningHead": "nlptl.heads.meaning_head",
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


def make_head(described: Any) -> Any:
    """Make the head that ``describe_head`` described.

    Raises
    ------
    StorageError
        If no head is called so.
    TypeError
        If a parameter is unknown, missing or of another type.
    """
    kind, given = entry(described, "kind", str), entry(described, "params", dict[str, Any])
    if kind not in HEAD_KINDS:
        raise StorageError(f"No head is called {kind[:80]!r}. {suggest(kind[:80], HEAD_KINDS)}")
    params = {name: _tuples(value) for name, value in given.items()}
    if params.get("seed", 0) is None:
        del params["seed"]
    return make(getattr(import_module(HEAD_KINDS[kind]), kind), params)


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
    """Put learnt arrays back into a head made by ``make_head``.

    Raises
    ------
    ValueError
        If the arrays are not those of such a head, do not fit together or are not finite.
    """
    if not several:
        return _filled(head, arrays)
    own: dict[int, dict[str, AnyArray]] = {}
    for name, array in arrays.items():
        label, _, inner = name.partition(".")
        own.setdefault(int(label), {})[inner] = array
    if sorted(own) != list(range(len(own))) or not own:
        raise ValueError(f"arrays of {len(own)} labels, which are not numbered from 0")
    wrapped = OneVsRest(head)
    wrapped.heads_ = [_label_head(head, own[label]) for label in range(len(own))]
    widths = {one.n_features_in_ for one in wrapped.heads_ if not isinstance(one, float)}
    if len(widths) > 1:
        raise ValueError(f"labels with different numbers of features: {sorted(widths)}")
    return wrapped


def sizes_of(solver: Any) -> tuple[int | None, int]:
    """Return the numbers of features and outputs of a fitted solver head; None fits any number."""
    if not isinstance(solver, OneVsRest):
        first = getattr(solver, _LEARNT[type(solver).__name__][0])
        return first.shape[1], first.shape[0]
    widths = [head.n_features_in_ for head in solver.heads_ if not isinstance(head, float)]
    return (widths[0] if widths else None), len(solver.heads_)


def _label_head(head: Any, arrays: dict[str, AnyArray]) -> Any:
    """Return the head of one label of several, or the number that it always answers."""
    from sklearn.base import clone

    if set(arrays) == {"always"}:
        check_array("always", arrays["always"], (1,))
        return float(arrays["always"][0])
    filled = _filled(clone(head), arrays)
    if sizes_of(filled)[1] != 2:
        raise ValueError(f"a label with {sizes_of(filled)[1]} outputs, expected 2")
    return filled


def _filled(head: Any, arrays: dict[str, AnyArray]) -> Any:
    learnt = _LEARNT.get(type(head).__name__)
    if learnt is None or set(arrays) - {"classes_"} != set(learnt):
        raise ValueError(f"{type(head).__name__} with the arrays {sorted(arrays)[:8]}")
    n_outputs, n_features = arrays[learnt[0]].shape
    shapes = {
        "coef_": (n_outputs, n_features),
        "prototypes_": (n_outputs, n_features),
        "intercept_": (n_outputs,),
        "centre_": (n_features,),
        "scale_": (1,),
    }
    for name in learnt:
        check_array(name, arrays[name], shapes[name])
    codes = arrays.get("classes_")
    if codes is not None and (codes.shape != (n_outputs,) or codes.dtype.kind not in "iu"):
        raise ValueError(f"classes_ of shape {codes.shape}, expected {n_outputs} whole numbers")
    for name, array in arrays.items():
        setattr(head, name, array)
    head.n_features_in_ = n_features
    return head

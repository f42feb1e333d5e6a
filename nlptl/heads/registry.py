"""The list of all heads, and how a fitted one becomes JSON and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.base.suggestions import suggest
from nlptl.heads.solver_fit import OneVsRest
from nlptl.storage.tensors import check_array


@dataclass(frozen=True)
class HeadRecord:
    """One kind of head.

    Attributes
    ----------
    name : str
        Short name on the command line and in YAML files.
    class_name, module : str
        Where the class is. It is imported when it is needed.
    """

    name: str
    class_name: str
    module: str

    @property
    def kind(self) -> Any:
        """The class."""
        return getattr(import_module(self.module), self.class_name)


HEADS = (
    HeadRecord("blend", "BlendHead", "nlptl.heads.linear.blend"),
    HeadRecord("discriminant", "DiscriminantHead", "nlptl.heads.linear.discriminant"),
    HeadRecord("logistic", "LogisticHead", "nlptl.heads.linear.logistic"),
    HeadRecord("meaning", "MeaningHead", "nlptl.heads.meaning_head"),
    HeadRecord("mlp", "MLPHead", "nlptl.heads.mlp"),
    HeadRecord("ordinal", "OrdinalHead", "nlptl.heads.linear.ordinal"),
    HeadRecord("prototype", "PrototypeHead", "nlptl.heads.prototypes"),
    HeadRecord("ridge", "RidgeHead", "nlptl.heads.linear.ridge"),
)
"""Every kind of head: the only list. Config, command line and saving read it.

A class that fits itself says in ``saved_arrays`` which arrays it is saved as, with the sizes of
each: ``"outputs"``, ``"features"`` or a number.
"""


def head_classes() -> dict[str, HeadRecord]:
    """Return the records of all heads by the names of their classes."""
    return {record.class_name: record for record in HEADS}


def describe_head(head: Any) -> dict[str, Any]:
    """Give a head, not what it learnt, as plain JSON.

    Raises
    ------
    StorageError
        If it is not one of nlptl's own heads.
    """
    kind = type(head).__name__
    if kind not in head_classes():
        raise StorageError(
            f"A head of type {kind} cannot be saved: only {', '.join(head_classes())} can, since "
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
    known = head_classes()
    if kind not in known:
        raise StorageError(f"No head is called {kind[:80]!r}. {suggest(kind[:80], known)}")
    params = {name: _tuples(value) for name, value in given.items()}
    if params.get("seed", 0) is None:
        del params["seed"]
    return make(known[kind].kind, params)


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
    classes = ("classes_",) if hasattr(scorer, "classes_") else ()
    names = (*type(scorer).saved_arrays, *classes)
    return {name: np.asarray(getattr(scorer, name)) for name in names}


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
        first = getattr(solver, next(iter(type(solver).saved_arrays)))
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
    saved = getattr(type(head), "saved_arrays", None)
    if saved is None or set(arrays) - {"classes_"} != set(saved):
        raise ValueError(f"{type(head).__name__} with the arrays {sorted(arrays)[:8]}")
    n_outputs, n_features = arrays[next(iter(saved))].shape
    sizes = {"outputs": n_outputs, "features": n_features}
    for name, shape in saved.items():
        check_array(name, arrays[name], tuple(sizes.get(size, size) for size in shape))
    codes = arrays.get("classes_")
    if codes is not None and (codes.shape != (n_outputs,) or codes.dtype.kind not in "iu"):
        raise ValueError(f"classes_ of shape {codes.shape}, expected {n_outputs} whole numbers")
    for name, array in arrays.items():
        setattr(head, name, array)
    head.n_features_in_ = n_features
    return head

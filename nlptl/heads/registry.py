"""Registry of all heads, and their conversion to JSON and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.base.protocols import HasParams
from nlptl.base.suggestions import suggest
from nlptl.heads.score_heads import SavedHead
from nlptl.heads.solver_fit import OneVsRest
from nlptl.storage.tensors import check_array


@dataclass(frozen=True)
class HeadRecord:
    """Registry entry of one kind of head.

    Attributes
    ----------
    name : str
        Short name on the command line and in YAML files.
    class_name, module : str
        Name of the class and of its module. The module is imported at first use.
    """

    name: str
    class_name: str
    module: str

    @property
    def kind(self) -> Any:
        """Class of the head, imported at first use."""
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
"""All kinds of heads. Configuration, command line and saving read this list.

A class with its own ``fit`` lists its arrays in ``saved_arrays``. Each size in their shapes is
``"outputs"``, ``"features"`` or a number.
"""


def head_classes() -> dict[str, HeadRecord]:
    """Return the records of all heads, keyed by class name."""
    return {record.class_name: record for record in HEADS}


def describe_head(head: object) -> dict[str, Any]:
    """Return the kind and the parameters of a head as JSON values, without fitted arrays.

    Raises
    ------
    StorageError
        If it is not one of nlptl's own heads.
    """
    kind = type(head).__name__
    if kind not in head_classes() or not isinstance(head, HasParams):
        raise StorageError(
            f"A head of type {kind} cannot be saved, because nlptl never pickles objects. "
            f"Use one of {', '.join(head_classes())}."
        )
    params = {name: _plain(value) for name, value in head.get_params(deep=False).items()}
    return {"kind": kind, "params": params}


def make_head(described: object) -> Any:
    """Build an unfitted head from the output of ``describe_head``.

    Raises
    ------
    StorageError
        If there is no head with this name.
    TypeError
        If a parameter is unknown, missing or of a wrong type.
    """
    kind, values = entry(described, "kind", str), entry(described, "params", dict[str, Any])
    records = head_classes()
    if kind not in records:
        raise StorageError(f"No head is called {kind[:80]!r}. {suggest(kind[:80], records)}")
    params = {name: _tuples(value) for name, value in values.items()}
    if params.get("seed", 0) is None:
        del params["seed"]
    return make(records[kind].kind, params)


def _plain(value: object) -> Any:
    if isinstance(value, HasParams):
        return describe_head(value)
    return list(value) if isinstance(value, tuple) else value


def _tuples(value: object) -> Any:
    if isinstance(value, dict):
        return make_head(value)
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def solver_arrays(scorer: SavedHead | OneVsRest) -> dict[str, AnyArray]:
    """Return the arrays of a fitted solver head, keyed by name."""
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


def restore_solver(
    head: SavedHead, arrays: dict[str, AnyArray], *, several: bool
) -> SavedHead | OneVsRest:
    """Write saved arrays into a head built by ``make_head`` and return the fitted head.

    Parameters
    ----------
    head : SolverHead
    arrays : mapping of str to ndarray
        Output of ``solver_arrays``.
    several : bool
        True if a text may have several labels.

    Raises
    ------
    ValueError
        If the arrays belong to another kind of head, have inconsistent shapes or are not finite.
    """
    if not several:
        return _filled(head, arrays)
    by_label: dict[int, dict[str, AnyArray]] = {}
    for name, array in arrays.items():
        label, _, inner = name.partition(".")
        by_label.setdefault(int(label), {})[inner] = array
    if sorted(by_label) != list(range(len(by_label))) or not by_label:
        raise ValueError(
            f"expected labels numbered from 0 without gaps, got arrays of {len(by_label)} labels"
        )
    wrapped = OneVsRest(head)
    wrapped.heads_ = [_label_head(head, by_label[label]) for label in range(len(by_label))]
    widths = {part.n_features_in_ for part in wrapped.heads_ if not isinstance(part, float)}
    if len(widths) > 1:
        raise ValueError(f"expected one number of features for all labels, got {sorted(widths)}")
    return wrapped


def sizes_of(solver: SavedHead | OneVsRest) -> tuple[int | None, int]:
    """Return the numbers of features (None if any number fits) and outputs of a fitted head."""
    if not isinstance(solver, OneVsRest):
        first = getattr(solver, next(iter(type(solver).saved_arrays)))
        return first.shape[1], first.shape[0]
    widths = [head.n_features_in_ for head in solver.heads_ if not isinstance(head, float)]
    return (widths[0] if widths else None), len(solver.heads_)


def _label_head(head: SavedHead, arrays: dict[str, AnyArray]) -> SavedHead | float:
    """Return the head of one label, or its constant log odds if it has no head."""
    from sklearn.base import clone

    if set(arrays) == {"always"}:
        check_array("always", arrays["always"], (1,))
        return float(arrays["always"][0])
    filled = _filled(clone(head), arrays)
    if sizes_of(filled)[1] != 2:
        raise ValueError(f"expected 2 outputs per label, got {sizes_of(filled)[1]}")
    return filled


def _filled(head: SavedHead, arrays: dict[str, AnyArray]) -> SavedHead:
    saved = getattr(type(head), "saved_arrays", None)
    if saved is None or set(arrays) - {"classes_"} != set(saved):
        raise ValueError(
            f"expected the arrays {sorted(saved or ())} for {type(head).__name__}, got "
            f"{sorted(arrays)[:8]}"
        )
    n_outputs, n_features = arrays[next(iter(saved))].shape
    sizes = {"outputs": n_outputs, "features": n_features}
    for name, shape in saved.items():
        check_array(name, arrays[name], tuple(sizes.get(size, size) for size in shape))
    codes = arrays.get("classes_")
    if codes is not None and (codes.shape != (n_outputs,) or codes.dtype.kind not in "iu"):
        raise ValueError(
            f"expected classes_ as {n_outputs} whole numbers, got {codes.dtype} of {codes.shape}"
        )
    for name, array in arrays.items():
        setattr(head, name, array)
    head.n_features_in_ = n_features
    return head

"""Access to parameters of nested objects, for scikit-learn's ``clone`` and grid search."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, clone
from typing_extensions import Self

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest

_Class = TypeVar("_Class")

_LINE_LENGTH = 88
"""Maximum length of the expression for an estimator in one line."""

_EXAMPLES = {
    "encoder": "TransformerEncoder()",
    "head": "LogisticHead()",
    "training": "TrainingConfig()",
    "transfer": "FullFineTune()",
}
"""An object for each parameter of an estimator whose default is None."""


class Spec:
    """Mixin for frozen dataclasses that describe a choice, such as a head or a transfer.

    A spec never changes, so ``clone`` returns the spec itself. ``get_params`` lets an estimator
    that holds a spec list its fields as ``outer__field``.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the fields by name; with ``deep``, also the parameters of nested objects."""
        params = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {**params, **(nested_params(params) if deep else {})}

    def __sklearn_clone__(self) -> Self:
        return self


def renamed(**new_names: str) -> Callable[[type[_Class]], type[_Class]]:
    """Let the constructor of a class accept former names of its parameters, with a warning.

    Parameters
    ----------
    **new_names
        The new name for each former one.
    """

    def accept(cls: type[_Class]) -> type[_Class]:
        construct = cls.__init__

        @wraps(construct)
        def init(self: Any, *args: Any, **options: Any) -> None:
            for former in new_names.keys() & options.keys():
                new = new_names[former]
                message = f"The parameter {former!r} of {cls.__name__} is called {new!r} now."
                warnings.warn(message, FutureWarning, stacklevel=2)
                options.setdefault(new, options.pop(former))
            construct(self, *args, **options)

        cls.__init__ = init  # type: ignore[method-assign]
        return cls

    return accept


def pipeline_step(cls: type[_Class]) -> type[_Class]:
    """Make an encoder a step of scikit-learn pipelines.

    ``Pipeline`` sets private attributes such as ``_parent_callback_ctx`` on its steps, changes
    fields by ``set_params``, and expects that ``fit_transform`` fits the step itself. So ``clone``
    copies a step. Otherwise, fields stay frozen.
    """
    frozen_set, frozen_delete = cls.__setattr__, cls.__delattr__

    def set_attribute(self: object, name: str, value: object) -> None:
        (object.__setattr__ if name.startswith("_") else frozen_set)(self, name, value)

    def delete_attribute(self: object, name: str) -> None:
        (object.__delattr__ if name.startswith("_") else frozen_delete)(self, name)

    def set_params(self: Any, **params: Any) -> Any:
        """Set fields by name. Nested names are joined by double underscores."""
        changed = self
        for name in sorted(params, key=lambda path: path.count("__")):  # whole objects first
            changed = with_param(changed, name.split("__"), params[name])
        if params:
            vars(self).clear()  # private attributes may depend on the old fields
            vars(self).update(vars(changed))
        return self

    def fit_transform(self: Any, texts: Any, y: object = None) -> Any:
        """Fit this encoder, without a copy of it, and encode the texts."""
        fitted = self.fit(texts, y)
        vars(self).update(vars(fitted))
        return fitted.transform(texts)

    cls.set_params, cls.__sklearn_clone__ = set_params, copy  # type: ignore[attr-defined]
    cls.fit_transform = fit_transform  # type: ignore[attr-defined]
    cls.__setattr__ = set_attribute  # type: ignore[method-assign]
    cls.__delattr__ = delete_attribute  # type: ignore[method-assign]
    return cls


class NestedParams(BaseEstimator):  # type: ignore[misc]
    """Base class of estimators whose parameters may be specs, estimators, or lists of them.

    ``transfer__layers`` is a parameter of a nested object, ``transfer__0__layers`` one of an object
    in a list.
    """

    def __repr__(self) -> str:
        line = short_repr(self)
        if len(line) <= _LINE_LENGTH:
            return line
        name = type(self).__name__
        separator = ",\n" + " " * (len(name) + 1)
        return f"{name}({separator.join(_changed_params(self))})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep``, also those of nested objects."""
        params: dict[str, Any] = super().get_params(deep=False)
        return {**params, **(nested_params(params) if deep else {})}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. Nested names are joined by double underscores.

        Raises
        ------
        ConfigError
            If a name is unknown. The message suggests the most similar valid name.
        """
        current = self.get_params(deep=True)
        by_owner: dict[str, dict[str, Any]] = defaultdict(dict)
        # Whole objects first: encoder=... is set before encoder__dtype=... changes it.
        for name in sorted(params, key=lambda path: path.count("__")):
            owner, _, rest = name.partition("__")
            if not rest:
                if name not in current:
                    raise ConfigError(_unknown(name, type(self).__name__, current))
                setattr(self, name, params[name])
            elif owner not in current:
                raise ConfigError(_unknown(name, type(self).__name__, current))
            else:
                by_owner[owner][rest] = params[name]
        for owner, changes in by_owner.items():
            value = getattr(self, owner)
            if value is None:
                example = _EXAMPLES.get(owner, "...")
                raise ConfigError(
                    f"{owner} is None, so its parameter {min(changes)!r} cannot be set. Set "
                    f"{owner} to an object first, for example {owner}={example}."
                )
            for path, new in changes.items():
                value = with_param(value, path.split("__"), new)
            setattr(self, owner, value)
        return self


def nested_params(params: Mapping[str, object]) -> dict[str, Any]:
    """Return the parameters at all levels inside the values of ``params``, under joined names."""
    nested: dict[str, Any] = {}
    for name, value in params.items():
        for inner, item in _children(value).items():
            nested[f"{name}__{inner}"] = item
    return nested


def short_repr(value: object) -> str:
    """Return an expression for a value, with only those parameters that are not the default.

    Examples
    --------
    >>> from nlptl import LoRA, TextClassifier
    >>> short_repr(TextClassifier(transfer=[LoRA(rank=4)]))
    'TextClassifier(transfer=[LoRA(rank=4)])'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(short_repr, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(short_repr, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Path):
        return repr(str(value))
    if not isinstance(value, Spec | NestedParams):
        return repr(value)
    return f"{type(value).__name__}({', '.join(_changed_params(value))})"


def _changed_params(value: Spec | NestedParams) -> list[str]:
    """Return ``name=value`` for each parameter that is not the default."""
    hidden = (
        {field.name for field in fields(value) if not field.repr} if is_dataclass(value) else ()
    )
    defaults = signature(type(value)).parameters
    return [
        f"{name}={short_repr(param)}"
        for name, param in value.get_params(deep=False).items()
        if name not in hidden and repr(param) != repr(defaults[name].default)
    ]


def with_param(value: object, path: list[str], new: object) -> Any:
    """Return a copy of ``value`` with the parameter at ``path`` changed."""
    if not path:
        return new
    name, *rest = path
    if isinstance(value, list | tuple):
        items = list(value)
        position = _position(name, items)
        items[position] = with_param(items[position], rest, new)
        return type(value)(items)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        if name not in names:
            raise ConfigError(_unknown(name, type(value).__name__, names))
        return replace(value, **{name: with_param(getattr(value, name), rest, new)})
    if hasattr(value, "set_params"):
        changed = clone(value)
        return changed.set_params(**{"__".join(path): new})
    raise ConfigError(
        f"{value!r} has no parameter {name!r}, so {'__'.join(path)!r} cannot be set. "
        "Check the name."
    )


def _children(value: object) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        items = {str(i): item for i, item in enumerate(value) if hasattr(item, "get_params")}
        return {**items, **nested_params(items)}
    if hasattr(value, "get_params") and not isinstance(value, type):
        params: dict[str, Any] = value.get_params(deep=True)
        return params
    return {}


def _position(name: str, items: Sequence[object]) -> int:
    if not name.isdigit() or int(name) >= len(items):
        raise ConfigError(
            f"{name!r} is no position in a list of {len(items)}. Use 0 to {len(items) - 1}."
        )
    return int(name)


def _unknown(name: str, owner: str, choices: Iterable[str]) -> str:
    return f"{owner} has no parameter {name!r}. {suggest(name, choices)}"

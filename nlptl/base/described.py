"""Build objects from values read from JSON, with checks of names and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from nlptl.base.arrays import FloatArray

Instance = TypeVar("Instance")

_SMALLEST_INT, _LARGEST_INT = -(2**63), 2**64


def plain_value(value: object) -> Any:
    """Return a value of numpy, or a set, as a value of JSON: ``default`` of ``json.dumps``.

    Raises
    ------
    TypeError
        If the value has another type.

    Examples
    --------
    >>> plain_value(np.int64(3)), plain_value({"b", "a"})
    (3, ['a', 'b'])
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def make(kind: Callable[..., Instance], described: object) -> Instance:
    """Create an object of a class from options that were read from JSON.

    Parameters
    ----------
    kind : class
        Class whose ``__init__`` has type annotations.
    described : dict
        Options by name. JSON has no tuples, so lists become tuples where annotated.

    Raises
    ------
    TypeError
        If an option is missing or unknown, or does not have its annotated type.

    Examples
    --------
    >>> from fractions import Fraction
    >>> make(Fraction, [1, 2])
    Traceback (most recent call last):
    TypeError: Fraction needs options by name, got [1, 2]
    """
    name = getattr(kind, "__name__", str(kind))
    if not isinstance(described, dict):
        raise TypeError(f"{name} needs options by name, got {_short(described)}")
    hints = get_type_hints(kind.__init__ if isinstance(kind, type) else kind)  # type: ignore[misc]
    options = {}
    for option, parameter in signature(kind).parameters.items():
        if option in described:
            options[option] = checked(described[option], hints.get(option, Any), option)
        elif parameter.default is Parameter.empty:
            raise TypeError(f"{name} lacks {option!r}")
    unknown = sorted(set(described) - set(options))
    if unknown:
        raise TypeError(f"{name} has no option {unknown[0]!r}")
    return kind(**options)


def entry(described: object, name: str, kind: Any) -> Any:
    """Return one entry of a JSON object after a check of its type.

    Parameters
    ----------
    described : dict
        The JSON object.
    name : str
        Key of the entry.
    kind : type
        Expected type, written as an annotation: ``bool``, ``list[str]``, ``dict[str, int] | None``.

    Raises
    ------
    TypeError
        If the entry has another type, or ``described`` is not a JSON object.
    KeyError
        If there is no entry with this name.

    Examples
    --------
    >>> entry({"width": 3}, "width", int)
    3
    >>> entry({"width": "3"}, "width", int)
    Traceback (most recent call last):
    TypeError: 'width' is '3', expected int
    """
    if not isinstance(described, dict):
        raise TypeError(f"expected an object with {name!r}, got {_short(described)}")
    return checked(described[name], kind, name)


def checked(value: object, kind: Any, name: str) -> Any:
    """Return a value from JSON after a check of its type.

    Parameters
    ----------
    value : object
    kind : type
        Expected type, written as an annotation. If it is a tuple, a list is converted to a tuple.
    name : str
        Name of the value in the error message.

    Raises
    ------
    TypeError
        If the value has another type.
    """
    is_valid, converted = _matched(value, kind)
    if not is_valid:
        expected = kind.__name__ if get_origin(kind) is None and isinstance(kind, type) else kind
        raise TypeError(f"{name!r} is {_short(value)}, expected {expected}")
    return converted


def finite(described: object, name: str, *, size: int | None = None) -> FloatArray:
    """Return a list of finite numbers from a JSON object as an array of shape (n,).

    Raises
    ------
    TypeError
        If the entry is not a list of numbers.
    ValueError
        If a number is not finite, or the list does not have ``size`` numbers.
    """
    numbers = np.array(entry(described, name, list[float]), dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name!r} holds a number that is not finite")
    if size is not None and len(numbers) != size:
        raise ValueError(f"{name!r} holds {len(numbers)} numbers, expected {size}")
    return numbers


def _matched(value: object, hint: Any) -> tuple[bool, Any]:
    """Return True and the converted value if a value matches an annotation, else False."""
    if hint is Any or isinstance(hint, TypeVar):
        return True, value
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (None, Literal):
        return _matched_plain(value, hint)
    if origin in (Union, UnionType):
        results = (_matched(value, part) for part in inner)
        return next((result for result in results if result[0]), (False, value))
    if issubclass(origin, Mapping):
        return _matched_mapping(value, inner)
    if issubclass(origin, Sequence | set | frozenset):
        return _matched_items(value, origin, inner)
    return isinstance(value, origin), value


def _matched_plain(value: object, hint: Any) -> tuple[bool, Any]:
    if hint in (int, float):
        return _is_number(value, hint), value
    if hint in (tuple, list):
        return isinstance(value, list | tuple), value
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint), value
    return isinstance(value, NoneType if hint is None else hint), value


def _matched_mapping(value: object, inner: tuple[Any, ...]) -> tuple[bool, Any]:
    if not isinstance(value, dict):
        return False, value
    results = [(_matched(key, inner[0]), _matched(part, inner[1])) for key, part in value.items()]
    return all(key[0] and part[0] for key, part in results), {k[1]: p[1] for k, p in results}


def _matched_items(value: object, origin: type, inner: tuple[Any, ...]) -> tuple[bool, Any]:
    if not isinstance(value, list | tuple):
        return False, value
    several = len(inner) == 1 or inner[-1] is Ellipsis
    hints = [inner[0]] * len(value) if several else list(inner)
    if len(hints) != len(value):
        return False, value
    results = [_matched(part, hint) for part, hint in zip(value, hints, strict=True)]
    container = origin if origin in (tuple, list, set, frozenset) else list
    return all(is_valid for is_valid, _ in results), container(part for _, part in results)


def _is_number(value: object, hint: type) -> bool:
    if not isinstance(value, int | float):
        return False
    if isinstance(value, int):
        return _SMALLEST_INT <= value < _LARGEST_INT
    return hint is float or value.is_integer()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

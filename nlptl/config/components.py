"""Build objects from the short names of the command line and of YAML files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.option_types import expected_type
from nlptl.estimators.named_parts import check_spelling, class_named, kinds_of
from nlptl.training.config import TrainingConfig

PARTS = ("encoder", "transfer", "head", "training")
"""The parts of a training run. Each part has its own table of short names."""


def names_of(part: str) -> tuple[str, ...]:
    """Return the short names that the registries list for a part."""
    return tuple(_kinds(part))


def _kinds(part: str) -> dict[str, Callable[[], Any]]:
    """Return a function that imports the class, per short name."""
    return {"training": lambda: TrainingConfig} if part == "training" else kinds_of(part)


_FITTED_FIELDS = {"fitted", "idf", "keeps_marks", "projection", "weights"}
"""Constructor fields that hold fitted state. They are not options."""


def find_class(part: str, name: str) -> Any:
    """Return the class that a short name refers to.

    Raises
    ------
    ConfigError
        If no class has this name. The message suggests the nearest name.
    """
    return class_named(name, _kinds(part), part=part)


def build(part: str, name: str, options: Mapping[str, object]) -> Any:
    """Build an object from its short name and its options.

    Parameters
    ----------
    part : {"encoder", "transfer", "head", "training"}
        The part that the object is used for.
    name : str
        Short name of its class.
    options : mapping
        Values from YAML or the command line. Strings are converted to the type of the option.

    Raises
    ------
    ConfigError
        If the name or an option is unknown, or a value is of the wrong type.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    kind = find_class(part, name)
    defaults = options_of(kind)
    for option in options:
        if option not in defaults:
            hint = suggest(option, defaults)
            raise ConfigError(f"{part} {name!r} has no option {option!r}. {hint}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(
        kind, part, skip=_FITTED_FIELDS & set(inspect.signature(kind).parameters)
    )
    try:
        parsed = parser.parse_object({part: dict(options)})
        return parser.instantiate(parsed)[part]
    except ArgumentError as problem:
        raise ConfigError(_wrong_type(kind, part, options, str(problem))) from problem


def _wrong_type(kind: Any, part: str, options: Mapping[str, object], problem: str) -> str:
    """Return one line about an option that has the wrong type."""
    named = re.search(rf'"{part}\.(\w+)"', problem)
    option = named.group(1) if named else ""
    if option not in options:  # the value of a part of the option is wrong
        return " ".join(problem.replace("Parser key ", "").split())
    expected = expected_type(kind, option)
    return f"{part}.{option} takes {expected}, got {options[option]!r}. Change it."


def build_joined(part: str, name: str, options: Mapping[str, object]) -> Any:
    """Build one object, or a list of objects if ``name`` joins several names by ``+``.

    Parameters
    ----------
    part : str
        The part that the objects are used for.
    name : str
        Short name or names, for example ``"contrastive+lora"``.
    options : mapping
        Each option goes to the only object that has it.

    Raises
    ------
    ConfigError
        If a name or an option is unknown, or if several of the objects have the option.
    """
    names = [single.strip() for single in name.split("+")]
    if len(names) == 1:
        return build(part, name, options)
    defaults = {single: options_of(find_class(part, single)) for single in names}
    options_by_name: dict[str, dict[str, Any]] = {single: {} for single in names}
    for option, value in options.items():
        owners = [single for single in names if option in defaults[single]]
        if not owners:
            hint = suggest(option, [key for options in defaults.values() for key in options])
            raise ConfigError(f"{part} {name!r} has no option {option!r}. {hint}")
        if len(owners) > 1:
            raise ConfigError(
                f"Option {option!r} belongs to {' and '.join(owners)} in {name!r}, "
                "so it is ambiguous. Leave it out."
            )
        options_by_name[owners[0]][option] = value
    return [build(part, single, options_by_name[single]) for single in names]


def options_among(name: str, source: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Return those options of the transfers in ``source`` that the transfers in ``name`` share.

    Both join the names of transfers by ``+``. An option is shared if its transfer is in both. The
    descriptions of classes (``names``) are shared if any transfer in ``name`` takes them.
    """
    target_options, source_options = (
        {single.strip(): options_of(find_class("transfer", single.strip())) for single in names}
        for names in (name.split("+"), source.split("+"))
    )
    common = target_options.keys() & source_options.keys()
    shared = {option for single in common for option in target_options[single]}
    shared |= {"names"} & {option for defaults in target_options.values() for option in defaults}
    return {option: value for option, value in options.items() if option in shared}


def options_of(kind: Callable[..., object]) -> dict[str, Any]:
    """Return the options of a class with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if name not in _FITTED_FIELDS
    }


def build_encoder(name: str | None, options: Mapping[str, object]) -> Any:
    """Build an encoder from a short name, a Hub name or a folder.

    Return None if there is neither a name nor an option.
    """
    if name is None or name in names_of("encoder"):
        return build("encoder", name or "transformer", options) if name or options else None
    check_spelling(name)
    return build("encoder", "transformer", {"name_or_path": name, **options})

"""The short names of the command line and of YAML files, and the objects they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.encoders import registry as encoders
from nlptl.heads import registry as heads
from nlptl.training.config import TrainingConfig
from nlptl.transfer import registry as transfers

PARTS = ("encoder", "transfer", "head", "training")
"""What a run is made of."""


def names_of(part: str) -> tuple[str, ...]:
    """Return the short names of a part, as the registries list them."""
    return tuple(_kinds(part))


def _kinds(part: str) -> dict[str, Callable[[], Any]]:
    """Return for each short name a function that imports the class."""
    if part == "encoder":
        records: Any = [record for record in encoders.ENCODERS if record.on_command_line]
    elif part == "transfer":
        records = [method for method in transfers.METHODS if method.on_command_line]
    elif part == "head":
        records = heads.HEADS
    else:
        return {"training": lambda: TrainingConfig}
    return {record.name: partial(getattr, record, "kind") for record in records}


_LEARNT = {"fitted", "idf", "keeps_marks", "projection"}
"""Fields that hold what was learnt or how: no options."""


def find_class(part: str, name: str) -> Any:
    """Give the class behind a name.

    Raises
    ------
    ConfigError
        If there is no such name; the nearest one is suggested.
    """
    kinds = _kinds(part)
    if name not in kinds:
        raise ConfigError(f"No {part} is called {name!r}. {suggest(name, sorted(kinds))}")
    return kinds[name]()


def build(part: str, name: str, options: Mapping[str, Any]) -> Any:
    """Make an object from its name and its options.

    Parameters
    ----------
    part : {"encoder", "transfer", "head", "training"}
        What it is for.
    name : str
        Its short name.
    options : mapping
        Values as YAML or a command line gives them; strings are read as the type asked for.

    Raises
    ------
    ConfigError
        If the name or an option is unknown, or a value is of the wrong type.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    kind = find_class(part, name)
    known = options_of(kind)
    for option in options:
        if option not in known:
            raise ConfigError(f"{part} {name!r} has no option {option!r}. {suggest(option, known)}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, part, skip=_LEARNT & set(inspect.signature(kind).parameters))
    try:
        parsed = parser.parse_object({part: dict(options)})
        return parser.instantiate(parsed)[part]
    except ArgumentError as problem:
        reason = " ".join(str(problem).replace("Parser key ", "").split())
        raise ConfigError(f"{reason}. See the options of {part} {name!r}.") from problem


def build_joined(part: str, name: str, options: Mapping[str, Any]) -> Any:
    """Make one object, or a list of several whose names are joined by ``+``.

    Parameters
    ----------
    part : str
        What they are for.
    name : str
        ``"contrastive+lora"``.
    options : mapping
        Each goes to the one that has it.

    Raises
    ------
    ConfigError
        If a name or an option is unknown, or several of the parts have the option.
    """
    names = [single.strip() for single in name.split("+")]
    if len(names) == 1:
        return build(part, name, options)
    known = {single: options_of(find_class(part, single)) for single in names}
    dealt: dict[str, dict[str, Any]] = {single: {} for single in names}
    for option, value in options.items():
        owners = [single for single in names if option in known[single]]
        if not owners:
            every = [one for own in known.values() for one in own]
            raise ConfigError(f"{part} {name!r} has no option {option!r}. {suggest(option, every)}")
        if len(owners) > 1:
            raise ConfigError(f"Option {option!r} belongs to {' and '.join(owners)} in {name!r}.")
        dealt[owners[0]][option] = value
    return [build(part, single, dealt[single]) for single in names]


def options_among(name: str, own: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give those options of some transfers that others have too, each joined by ``+``.

    That is what a transfer has that stands on both sides, and what labels mean.
    """
    theirs, ours = (
        {single.strip(): options_of(find_class("transfer", single.strip())) for single in names}
        for names in (name.split("+"), own.split("+"))
    )
    known = {option for single in theirs.keys() & ours.keys() for option in theirs[single]}
    known |= {"names"} & {option for every in theirs.values() for option in every}
    return {option: value for option, value in options.items() if option in known}


def options_of(kind: Any) -> dict[str, Any]:
    """Give the options of a class with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if name not in _LEARNT
    }


def build_encoder(name: str | None, options: Mapping[str, Any]) -> Any:
    """Make an encoder; a name outside the table is a Hub name or a folder."""
    if name is None or name in names_of("encoder"):
        return build("encoder", name or "transformer", options) if name or options else None
    return build("encoder", "transformer", {"name_or_path": name, **options})

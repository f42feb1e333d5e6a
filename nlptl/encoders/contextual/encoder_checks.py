"""Checking what the files of an encoder's folder say before a library reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlptl.base.errors import EncoderNotFoundError, IntegrityError, NlptlError
from nlptl.storage import untrusted as storage
from nlptl.storage.manifest import is_inside

MAX_LAYERS = 1_000
"""Also of heads, groups and experts: whatever a model is built of in a loop."""
MAX_LABELS = 1_000_000

_CODE = "auto_map"
_ELSEWHERE = (
    "architecture",
    "backbone",
    "compression_config",
    "configuration_files",
    "custom_pipelines",
    "fast_tokenizer_files",
    "fusion_config",
    "kernel_config",
    "quantization_config",
    "transformers_weights",
    "use_kernels",
    "use_pretrained_backbone",
    "use_timm_backbone",
)
"""Settings that make transformers fetch, import or read something that is not in the folder."""

_ATTENTION = re.compile(r"_?(attn|experts)_implementation(_internal)?")
_OWN_ATTENTION = ("", "eager", "sdpa", "flex_attention", "grouped_mm", "batched_mm")
_MARGIN = re.compile(r"(^|_)eps(ilon)?($|_)")
"""Names of the constant that a normalisation adds before it divides."""

_LOOPS = re.compile(
    r"(n|num)_.*(layer|block|group|expert|head)s?|.*(layers|depths?|repeats|block_sizes|group_num)"
)
_TOKENIZER = re.compile(r"(?!Auto)\w*Tokenizer(Fast)?|TokenizersBackend|PythonBackend|\w*Common\w*")
_SHARDS = "shard-*-model-*.safetensors"


def read_json(path: Path) -> Any:
    """Read a JSON file of an encoder's folder; an empty dict where there is no such file.

    Raises
    ------
    IntegrityError
        If it is too large, nested too deeply, or is no JSON.
    """
    return storage.read_json(path) if path.is_file() else {}


@contextmanager
def foreign_errors(subject: str, kind: type[NlptlError] = EncoderNotFoundError) -> Iterator[None]:
    """Turn every error of a library into one line that begins with ``subject``.

    Parameters
    ----------
    subject : str
        What was read.
    kind : type
        The error that is raised in place of any other; those of nlptl pass unchanged.
    """
    try:
        yield
    except NlptlError:
        raise
    except BaseException as problem:
        name = type(problem).__name__
        if not isinstance(problem, Exception) and name != "PanicException":  # of tokenizers
            raise
        raise kind(f"{subject} ({name}: {one_line(problem)}).") from problem


def one_line(problem: object) -> str:
    """Return a message on one line, or the kind of an error that has none."""
    return " ".join(str(problem).split())[:200] or type(problem).__name__


def check_files(path: Path, name: str) -> None:
    """Check what the files of an encoder's folder ask for.

    Parameters
    ----------
    path : Path
        The folder.
    name : str
        What the user called it.

    Raises
    ------
    EncoderNotFoundError
        If the encoder needs code of its own, or something that is not in the folder.
    IntegrityError
        If a file is malformed, or names a file outside of the folder.
    """
    for pattern in ("adapter_config.json", _SHARDS):
        foreign = next(path.glob(pattern), None)
        if foreign is not None:
            raise EncoderNotFoundError(
                f"Folder {name!r} must hold whole weights in model.safetensors, and has "
                f"{foreign.name!r}. Merge or convert it once with model.save_pretrained(FOLDER)."
            )
    _check_settings(path / "config.json", name, code_may_stay=_transformers_knows)
    _check_tokenizer_settings(path / "tokenizer_config.json", name)
    for file in ("sentence_bert_config.json", "config_sentence_transformers.json", "origin.json"):
        _expect(path / file, dict)
    weight_files(path)
    for _, module in sentence_modules(path):
        _expect(module / "config.json", dict)
    contained(path, "adapter")


def sentence_modules(path: Path) -> list[tuple[str, Path]]:
    """Read ``modules.json``: the kind of each module and its folder.

    Raises
    ------
    IntegrityError
        If it is no list of modules, or a module lies outside of the folder.
    """
    modules = _expect(path / "modules.json", list) or []
    stated = [(m.get("type", ""), m.get("path", "")) for m in modules if isinstance(m, dict)]
    if len(stated) < len(modules) or not all(isinstance(part, str) for m in stated for part in m):
        raise IntegrityError(
            f"{str(path / 'modules.json')!r} must be a list of modules with a type and a path, "
            f"got {str(modules)[:100]!r}. Restore a copy."
        )
    return [(kind.rpartition(".")[2], contained(path, place)) for kind, place in stated]


def weight_files(path: Path) -> list[Path]:
    """List the weight files that transformers reads from a folder.

    Raises
    ------
    IntegrityError
        If the index of several files names one outside of the folder, or that is not there.
    """
    whole = path / "model.safetensors"
    if whole.is_file():
        return [whole]
    index = _expect(path / "model.safetensors.index.json", dict) or {}
    shards = index.get("weight_map", {})
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise IntegrityError(
            f"'weight_map' in the index of {str(path)!r} must name a file for each weight, got "
            f"{str(shards)[:100]!r}. Restore a copy."
        )
    files = [contained(path, shard) for shard in sorted(set(shards.values()))]
    for file in files:
        if not file.is_file():
            raise IntegrityError(f"Weight file {str(file)!r} is missing. Restore a copy.")
    return files


def contained(path: Path, place: str) -> Path:
    """Return a file or folder of a folder, by its name in there.

    The files themselves may be links, as they are in the Hub's cache; folders may not lead out.

    Raises
    ------
    IntegrityError
        If it lies outside of the folder.
    """
    inner = path / place
    is_own = place in ("", ".", "./") or is_inside(place)
    holder = inner if inner.is_dir() else inner.parent
    if not is_own or not holder.resolve().is_relative_to(path.resolve()):
        raise IntegrityError(
            f"The encoder in {str(path)!r} names {place!r}, which lies outside of its folder. "
            "Copy the file into the folder, or restore a copy."
        )
    return inner


def _never(_path: Path, _settings: dict[str, Any]) -> bool:
    return False


def _check_settings(
    path: Path, name: str, *, code_may_stay: Callable[[Path, dict[str, Any]], bool] = _never
) -> dict[str, Any]:
    settings: dict[str, Any] = _expect(path, dict)
    for one in _dictionaries(settings):
        if one.get(_CODE) and not (one is settings and code_may_stay(path, one)):
            raise EncoderNotFoundError(
                f"Encoder {name!r} needs code of its own ({path.name}: {_CODE}={one[_CODE]!r}), "
                "and nlptl never runs code from a model folder. Choose an encoder of a family that "
                "transformers has itself."
            )
        for key, value in one.items():
            _check_setting(path, name, key, value)
    return settings


def _check_setting(path: Path, name: str, key: str, value: Any) -> None:
    """Refuse one setting that leads out of the folder, or is far too large."""
    if key in _ELSEWHERE and value:
        reason = "needs something that is not in its folder"
    elif _ATTENTION.fullmatch(key) and not _is_own_attention(value):
        reason = "asks for an implementation that is no part of transformers"
    elif key in ("num_labels", "_num_labels") and _largest(value) > MAX_LABELS:
        reason = f"has more than {MAX_LABELS:,} labels"
    elif _MARGIN.search(key) and isinstance(value, int | float) and not 0 <= value < 1:
        reason = "has a margin that makes vectors of no numbers"
    elif _LOOPS.fullmatch(key) and _largest(value) > MAX_LAYERS:
        reason = f"asks for more than {MAX_LAYERS:,} of one part"
    else:
        return
    raise EncoderNotFoundError(
        f"Encoder {name!r} cannot be used: it {reason} ({path.name}: {key}={str(value)[:100]!r}). "
        "Choose another encoder, or remove the setting if the weights do not need it."
    )


def _is_own_attention(value: Any) -> bool:
    from importlib.util import find_spec

    values = value.values() if isinstance(value, dict) else [value]
    flash = find_spec("flash_attn") is not None  # without it transformers fetches a kernel
    return all(
        one is None
        or one in _OWN_ATTENTION
        or (flash and one in ("flash_attention_2", "flash_attention_3"))
        for one in values
        if not isinstance(one, dict | list)
    )


def _largest(value: Any) -> int:
    """Return the largest whole number of a setting, or in a list of numbers."""
    values = value if isinstance(value, list) else [value]
    return max((one for one in values if isinstance(one, int)), default=0)


def _transformers_knows(path: Path, settings: dict[str, Any]) -> bool:
    """Return whether transformers has the family itself, so that code next to it is not needed."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    known = isinstance(settings.get("model_type"), str)
    known = known and settings["model_type"] in CONFIG_MAPPING_NAMES
    return known and not any(path.parent.glob("*.py"))


def _check_tokenizer_settings(path: Path, name: str) -> None:
    settings = _check_settings(path, name)
    kind = settings.get("tokenizer_class")
    if kind is not None and not (isinstance(kind, str) and _TOKENIZER.fullmatch(kind)):
        raise EncoderNotFoundError(
            f"Encoder {name!r} asks for a tokenizer that is no part of transformers "
            f"(tokenizer_class={str(kind)[:100]!r}). Choose another encoder."
        )
    for key, value in settings.items():
        if key.endswith("_file") and isinstance(value, str):
            outside = Path(value)
            # Old folders name a cache file of the machine that wrote them; it is never read.
            if ".." in outside.parts or (outside.is_absolute() and outside.exists()):
                raise IntegrityError(
                    f"The tokenizer of encoder {name!r} names {value!r} ({key}), which lies "
                    "outside of its folder. Remove the setting from tokenizer_config.json."
                )


def _dictionaries(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk over a dictionary and all those in it."""
    waiting: list[Any] = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
        inner = value.values() if isinstance(value, dict) else value
        waiting.extend(one for one in inner if isinstance(one, dict | list))


def _expect(path: Path, kind: type) -> Any:
    """Read a JSON file that must hold a dictionary, or a list, where it is there."""
    value = read_json(path)
    if path.is_file() and not isinstance(value, kind):
        raise IntegrityError(
            f"{str(path)!r} must hold a JSON {kind.__name__}, got {str(value)[:100]!r}. "
            "Restore a copy."
        )
    return value

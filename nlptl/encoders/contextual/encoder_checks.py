"""Check the files in the folder of an encoder before a library reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlptl.base.errors import EncoderNotFoundError, IntegrityError, NlptlError
from nlptl.base.inputs import JsonObject
from nlptl.storage import untrusted as storage
from nlptl.storage.manifest import is_inside

MAX_LAYERS = 1_000
"""Maximum number of layers, heads, groups or experts: all parts that are built in a loop."""
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
"""Settings that make transformers download, import or read something outside of the folder."""

_ATTENTION = re.compile(r"_?(attn|experts)_implementation(_internal)?")
_OWN_ATTENTION = ("", "eager", "sdpa", "flex_attention", "grouped_mm", "batched_mm")
_MARGIN = re.compile(r"(^|_)eps(ilon)?($|_)")
"""Names of the small constant that a normalisation layer adds to its denominator."""

_LOOPS = re.compile(
    r"(n|num)_.*(layer|block|group|expert|head)s?|.*(layers|depths?|repeats|block_sizes|group_num)"
)
_TOKENIZER = re.compile(r"(?!Auto)\w*Tokenizer(Fast)?|TokenizersBackend|PythonBackend|\w*Common\w*")
_SHARDS = "shard-*-model-*.safetensors"


def read_json(path: Path) -> Any:
    """Read a JSON file from the folder of an encoder. Return an empty dict if it does not exist.

    Raises
    ------
    IntegrityError
        If the file is too large, nested too deeply, or not valid JSON.
    """
    return storage.read_json(path) if path.is_file() else {}


@contextmanager
def foreign_errors(subject: str, kind: type[NlptlError] = EncoderNotFoundError) -> Iterator[None]:
    """Convert every library error into an nlptl error with one line that starts with ``subject``.

    Parameters
    ----------
    subject : str
        Start of the message: what failed.
    kind : type
        Type of the error that is raised instead. Errors of nlptl pass unchanged.
    """
    try:
        yield
    except NlptlError:
        raise
    except BaseException as problem:
        name = type(problem).__name__
        if not isinstance(problem, Exception) and name != "PanicException":  # raised by tokenizers
            raise
        raise kind(f"{subject} ({name}: {one_line(problem)}).") from problem


def one_line(problem: object) -> str:
    """Return the message of an error on one line, or its type name if it has no message."""
    return " ".join(str(problem).split())[:200] or type(problem).__name__


def check_files(path: Path, name: str) -> None:
    """Check that the files of an encoder need no code and nothing outside of the folder.

    Parameters
    ----------
    path : Path
        Folder of the encoder.
    name : str
        Name of the encoder as the user wrote it.

    Raises
    ------
    EncoderNotFoundError
        If the encoder needs custom code, or something that is not in the folder.
    IntegrityError
        If a file is malformed, or names a file outside of the folder.
    """
    for pattern in ("adapter_config.json", _SHARDS):
        foreign = next(path.glob(pattern), None)
        if foreign is not None:
            raise EncoderNotFoundError(
                f"Folder {name!r} must hold complete weights in model.safetensors, but has "
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
    """Read ``modules.json`` and return the class name and the folder of each module.

    Raises
    ------
    IntegrityError
        If the file is not a list of modules, or a module is outside of the folder.
    """
    modules = _expect(path / "modules.json", list) or []
    stated = [(m.get("type", ""), m.get("path", "")) for m in modules if isinstance(m, dict)]
    if len(stated) < len(modules) or not all(isinstance(part, str) for m in stated for part in m):
        raise IntegrityError(
            f"{str(path / 'modules.json')!r} must be a list of modules with a type and a path, "
            f"got {str(modules)[:100]!r}. Restore a copy."
        )
    return [(kind.rpartition(".")[2], contained(path, inner)) for kind, inner in stated]


def weight_files(path: Path) -> list[Path]:
    """List the weight files that transformers reads from a folder.

    Raises
    ------
    IntegrityError
        If the index of several files names a missing file, or a file outside of the folder.
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


def contained(path: Path, name: str) -> Path:
    """Return the path of a file or subfolder, by its name inside a folder.

    Files may be links, as in the cache of the Hub. Subfolders may not link to the outside.

    Raises
    ------
    IntegrityError
        If the file or subfolder is outside of the folder.
    """
    inner = path / name
    is_local = name in ("", ".", "./") or is_inside(name)
    parent = inner if inner.is_dir() else inner.parent
    if not is_local or not parent.resolve().is_relative_to(path.resolve()):
        raise IntegrityError(
            f"The encoder in {str(path)!r} names {name!r}, which lies outside of its folder. "
            "Copy the file into the folder or restore a copy."
        )
    return inner


def _never(_path: Path, _settings: JsonObject) -> bool:
    return False


def _check_settings(
    path: Path, name: str, *, code_may_stay: Callable[[Path, JsonObject], bool] = _never
) -> dict[str, Any]:
    settings: dict[str, Any] = _expect(path, dict)
    for part in _dictionaries(settings):
        if part.get(_CODE) and not (part is settings and code_may_stay(path, part)):
            raise EncoderNotFoundError(
                f"Encoder {name!r} needs custom code ({path.name}: {_CODE}={part[_CODE]!r}), "
                "but nlptl never runs code from a model folder. Choose an encoder whose model "
                "family is part of transformers."
            )
        for key, value in part.items():
            _check_setting(path, name, key, value)
    return settings


def _check_setting(path: Path, name: str, key: str, value: object) -> None:
    """Raise an error if a setting refers to something outside of the folder or is far too large."""
    if key in _ELSEWHERE and value:
        reason = "needs something that is not in its folder"
    elif _ATTENTION.fullmatch(key) and not _is_own_attention(value):
        reason = "asks for an implementation that is not part of transformers"
    elif key in ("num_labels", "_num_labels") and _largest(value) > MAX_LABELS:
        reason = f"has more than {MAX_LABELS:,} labels"
    elif _MARGIN.search(key) and isinstance(value, int | float) and not 0 <= value < 1:
        reason = "has a normalisation constant that yields invalid vectors"
    elif _LOOPS.fullmatch(key) and _largest(value) > MAX_LAYERS:
        reason = f"asks for more than {MAX_LAYERS:,} layers or other parts of one kind"
    else:
        return
    raise EncoderNotFoundError(
        f"Encoder {name!r} cannot be used: it {reason} ({path.name}: {key}={str(value)[:100]!r}). "
        "Choose another encoder, or remove the setting if the weights do not need it."
    )


def _is_own_attention(value: object) -> bool:
    from importlib.util import find_spec

    values = value.values() if isinstance(value, dict) else [value]
    flash = find_spec("flash_attn") is not None  # without it transformers downloads a kernel
    return all(
        choice is None
        or choice in _OWN_ATTENTION
        or (flash and choice in ("flash_attention_2", "flash_attention_3"))
        for choice in values
        if not isinstance(choice, dict | list)
    )


def _largest(value: object) -> int:
    """Return the largest integer of a setting, which is a number or a list of numbers."""
    values = value if isinstance(value, list) else [value]
    return max((number for number in values if isinstance(number, int)), default=0)


def _transformers_knows(path: Path, settings: JsonObject) -> bool:
    """Return True if transformers supports the model family without code in the folder."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    is_supported = isinstance(settings.get("model_type"), str)
    is_supported = is_supported and settings["model_type"] in CONFIG_MAPPING_NAMES
    return is_supported and not any(path.parent.glob("*.py"))


def _check_tokenizer_settings(path: Path, name: str) -> None:
    settings = _check_settings(path, name)
    kind = settings.get("tokenizer_class")
    if kind is not None and not (isinstance(kind, str) and _TOKENIZER.fullmatch(kind)):
        raise EncoderNotFoundError(
            f"Encoder {name!r} asks for a tokenizer that is not part of transformers "
            f"(tokenizer_class={str(kind)[:100]!r}). Choose another encoder."
        )
    for key, value in settings.items():
        if key.endswith("_file") and isinstance(value, str):
            outside = Path(value)
            # Old folders name a cache file of the machine that wrote them. It is never read.
            if ".." in outside.parts or (outside.is_absolute() and outside.exists()):
                raise IntegrityError(
                    f"The tokenizer of encoder {name!r} names {value!r} ({key}), which lies "
                    "outside of its folder. Remove the setting from tokenizer_config.json."
                )


def _dictionaries(settings: JsonObject) -> Iterator[dict[str, Any]]:
    """Iterate over a dictionary and all dictionaries inside it."""
    waiting: list[Any] = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
        inner = value.values() if isinstance(value, dict) else value
        waiting.extend(item for item in inner if isinstance(item, dict | list))


def _expect(path: Path, kind: type) -> Any:
    """Read a JSON file and check that it contains a value of ``kind``, if the file exists."""
    value = read_json(path)
    if path.is_file() and not isinstance(value, kind):
        raise IntegrityError(
            f"{str(path)!r} must hold a JSON {kind.__name__}, got {str(value)[:100]!r}. "
            "Restore a copy."
        )
    return value

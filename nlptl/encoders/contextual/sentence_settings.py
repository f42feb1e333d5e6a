"""Read the settings of a sentence-transformers folder, and reject unsupported ones by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nlptl.base.errors import ConfigError, EncoderNotFoundError
from nlptl.base.inputs import JsonObject
from nlptl.encoders.contextual.encoder_checks import read_json, sentence_modules

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from nlptl.encoders.contextual.pooling import Pooling

_ANY_NUMBER = 2
_PLACES = {
    "Transformer": 0,
    "Pooling": 1,
    "Dense": _ANY_NUMBER,
    "Dropout": _ANY_NUMBER,
    "LayerNorm": _ANY_NUMBER,
    "Normalize": _ANY_NUMBER,
}
"""Supported modules, and their order."""

_TOKEN_POOLINGS = ("mean", "cls", "max")

MAX_PROMPT = 10_000
"""Maximum number of characters. The encoder reads the prompt with every text."""

_TRANSFORMER_FILES = "sentence_*_config.json"
_READ = {
    "document_length",
    "do_lower_case",
    "max_seq_length",
    "modality_config",
    "model_args",
    "model_kwargs",
    "module_output_name",
    "query_length",
    "transformer_task",
    "unpad_inputs",
}
"""Transformer settings that nlptl reads, or that do not change the vector of a plain text."""

_EXPECTED = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "module_input_name": "sentence_embedding",
    "method": "forward",
    "method_output_name": "last_hidden_state",
}
"""Module settings of which nlptl supports one value only."""


class Module(NamedTuple):
    """Module of sentence-transformers: the name of its class, and its folder."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class SentenceSettings:
    """Settings of a sentence-transformers folder. Most folders have none.

    Attributes
    ----------
    name : str
        Name of the encoder, for error messages.
    path : Path
        Folder of the encoder.
    """

    name: str
    path: Path

    @cached_property
    def modules(self) -> list[Module]:
        """Modules of sentence-transformers that turn a text into a vector. Most folders have none.

        Raises
        ------
        EncoderNotFoundError
            If nlptl does not support a module or a setting. The message names it.
        """
        modules = read_modules(self.path, self.name)
        check_settings(self.path, modules, self.name)
        return modules

    @property
    def has_pooling(self) -> bool:
        """True if the folder specifies a pooling, as folders of sentence encoders do."""
        return any(module.kind == "Pooling" for module in self.modules)

    @cached_property
    def pooling(self) -> Pooling:
        """Pooling and normalisation that the folder asks for; the mean if it specifies none."""
        # Settings import scikit-learn, which readers of exported models do without.
        from nlptl.encoders.contextual.pooling import Pooling

        tokens = token_pooling(self.modules, self.name, _TOKEN_POOLINGS, self.prompt)
        normalizes = len(self.layers_after_pooling) < len(self._after_pooling)
        return Pooling(tokens=tokens, normalize=normalizes)

    @property
    def layers_after_pooling(self) -> list[Module]:
        """Layers between pooling and the final vector, without a normalisation at the end."""
        layers = self._after_pooling
        return layers[:-1] if layers and layers[-1].kind == "Normalize" else layers

    @property
    def _after_pooling(self) -> list[Module]:
        others = ("Transformer", "Pooling", "Dropout")
        return [module for module in self.modules if module.kind not in others]

    @cached_property
    def dense_width(self) -> int | None:
        """Length of the vector after the last dense layer. None without a dense layer."""
        dense = [module for module in self.layers_after_pooling if module.kind == "Dense"]
        return int(read_json(dense[-1].folder / "config.json")["out_features"]) if dense else None

    @cached_property
    def max_length(self) -> int | None:
        """Maximum number of tokens that the folder states, including special tokens."""
        stated = transformer_settings(self.path).get("max_seq_length")
        return int(stated) if stated else None

    @cached_property
    def lower_case(self) -> bool:
        """True if the folder asks for texts in lower case."""
        return bool(transformer_settings(self.path).get("do_lower_case"))

    @cached_property
    def prompt(self) -> str:
        """Prompt that the folder puts before each text. It is empty for most encoders."""
        return default_prompt(self.path, self.name)


def read_modules(folder: Path, name: str) -> list[Module]:
    """Return the modules that turn a text into a vector. The list is empty if there are none.

    Parameters
    ----------
    folder : Path
        Folder of an encoder.
    name : str
        Name of the encoder, for error messages.

    Raises
    ------
    EncoderNotFoundError
        If nlptl does not support a module or the order of the modules.
    """
    modules = [Module(kind, path) for kind, path in sentence_modules(folder)]
    library = read_json(folder / "config_sentence_transformers.json")
    if library.get("model_type") == "CrossEncoder":
        return []  # its modules compute scores, so only its transformer is used
    for index, module in enumerate(modules):
        earlier_ranks = [_PLACES.get(earlier.kind, 0) for earlier in modules[:index]]
        rank = _PLACES.get(module.kind, -1)
        is_repeated = rank < _ANY_NUMBER and rank in earlier_ranks
        if rank < max(earlier_ranks, default=0) or is_repeated:
            raise EncoderNotFoundError(
                f"The modules.json of encoder {name!r} has {module.kind!r} at position {index}, "
                "which is not supported there. Expected Transformer, Pooling, then any of "
                f"{', '.join(k for k, r in _PLACES.items() if r == _ANY_NUMBER)}. Choose another "
                "encoder."
            )
    return modules


def check_settings(folder: Path, modules: list[Module], name: str) -> None:
    """Check that no setting in a folder changes the vectors in a way that nlptl does not support.

    Raises
    ------
    EncoderNotFoundError
        If there is such a setting. The message names it.
    """
    if all(module.kind == "Transformer" for module in modules):
        return  # the folder does not describe vectors of texts
    if modules[0].kind == "Transformer" and modules[0].folder != folder:
        _refuse(name, "the path of its Transformer", str(modules[0].folder), "the main folder")
    stated = transformer_settings(folder)
    text = (stated.get("modality_config") or {}).get("text") or {}
    _check_expected(name, stated | text)
    unsupported = [setting for setting in stated if stated[setting] and setting not in _READ]
    if unsupported:
        _refuse(name, unsupported[0], stated[unsupported[0]], "no such setting")
    truncation = read_json(folder / "config_sentence_transformers.json").get("truncate_dim")
    if truncation is not None:
        _refuse(name, "truncate_dim", truncation, "no truncation; set Pooling(dimension=...)")
    for module in modules:
        if module.kind == "Transformer":
            continue
        described = read_json(module.folder / "config.json")
        output = described.get("module_output_name")
        _check_expected(name, {**described, "module_output_name": None})
        if output not in (None, _EXPECTED["module_input_name"]):
            _refuse(name, "module_output_name", output, repr(_EXPECTED["module_input_name"]))
        if described.get("use_residual"):
            _refuse(name, "use_residual", True, "False")


def transformer_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of the transformer from the first file that has one of the usual names."""
    first = folder / "sentence_bert_config.json"
    files = [first, *sorted(folder.glob(_TRANSFORMER_FILES))]
    return next((stated for path in files if (stated := read_json(path))), {})


def token_pooling(modules: list[Module], name: str, choices: tuple[str, ...], prompt: str) -> str:
    """Return the token pooling that a folder asks for, or mean if it does not specify one.

    Raises
    ------
    ConfigError
        If it asks for a pooling outside of ``choices``, for several, or for pooling without the
        prompt.
    """
    folders = [module.folder for module in modules if module.kind == "Pooling"]
    stated = read_json(folders[0] / "config.json") if folders else {}
    modes = stated.get("pooling_mode") or [
        mode.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for mode, wanted in stated.items()
        if mode.startswith("pooling_mode_") and wanted is True
    ]
    poolings = [modes] if isinstance(modes, str) else [str(mode) for mode in modes or ["mean"]]
    reason = ""
    if len(poolings) > 1 or poolings[0] not in choices:
        reason = f"the pooling {' with '.join(poolings)}"
    elif prompt and stated.get("include_prompt") is False:
        reason = f"pooling without its prompt {prompt!r} (include_prompt=False)"
    if reason:
        raise ConfigError(
            f"Encoder {name!r} asks for {reason}, which is not supported. Choose one of "
            f"{', '.join(choices)}: TransformerEncoder(name, pooling=Pooling(tokens=...))."
        )
    return poolings[0]


def default_prompt(folder: Path, name: str) -> str:
    """Return the prompt that the folder puts before each text. It is empty for most encoders.

    Raises
    ------
    EncoderNotFoundError
        If the folder names a prompt that it does not contain, or the prompt is too long.
    """
    stated = read_json(folder / "config_sentence_transformers.json")
    prompts, chosen = stated.get("prompts") or {}, stated.get("default_prompt_name")
    if chosen is not None and chosen not in prompts:
        _refuse(name, "default_prompt_name", chosen, f"one of its prompts {sorted(prompts)}")
    prompt = str(prompts.get(chosen) or "")
    if len(prompt) > MAX_PROMPT:
        _refuse(name, "its prompt", f"{len(prompt):,} characters", f"at most {MAX_PROMPT:,}")
    return prompt


def set_lower_case(tokenizer: PreTrainedTokenizerBase) -> None:
    """Make a fast tokenizer lower-case texts as its first step."""
    from tokenizers import normalizers

    fast = tokenizer.backend_tokenizer
    original = [] if fast.normalizer is None else [fast.normalizer]
    fast.normalizer = normalizers.Sequence([normalizers.Lowercase(), *original])


def _check_expected(name: str, stated: JsonObject) -> None:
    for setting, expected in _EXPECTED.items():
        if stated.get(setting) not in (None, expected):
            _refuse(name, setting, stated[setting], repr(expected))


def _refuse(name: str, setting: str, received: object, expected: str) -> None:
    raise EncoderNotFoundError(
        f"Encoder {name!r}: expected {expected} for {setting}, got {received!r}, which is not "
        "supported. Choose another encoder, or correct its sentence-transformers settings."
    )

"""The settings of a folder of sentence-transformers: read, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from nlptl.base.errors import ConfigError, EncoderNotFoundError
from nlptl.encoders.contextual.encoder_checks import read_json, sentence_modules

_ANY_NUMBER = 2
_PLACES = {
    "Transformer": 0,
    "Pooling": 1,
    "Dense": _ANY_NUMBER,
    "Dropout": _ANY_NUMBER,
    "LayerNorm": _ANY_NUMBER,
    "Normalize": _ANY_NUMBER,
}
"""Modules that are read, and their order."""

MAX_PROMPT = 10_000
"""Characters; the prompt is read with every text."""

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
"""Settings of the transformer that are read, or change no vector of a plain text."""

_EXPECTED = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "module_input_name": "sentence_embedding",
    "method": "forward",
    "method_output_name": "last_hidden_state",
}
"""Settings of modules that have one value here."""


class Module(NamedTuple):
    """One step from a text to its vector: the name of its class, and its folder."""

    kind: str
    folder: Path


def read_modules(folder: Path, name: str) -> list[Module]:
    """Read the steps from a text to its vector; none where the folder does not state them.

    Parameters
    ----------
    folder : Path
        The folder of an encoder.
    name : str
        The name of the encoder, for errors.

    Raises
    ------
    EncoderNotFoundError
        If there is a step, or an order of them, that is not read.
    """
    modules = [Module(kind, place) for kind, place in sentence_modules(folder)]
    library = read_json(folder / "config_sentence_transformers.json")
    if library.get("model_type") == "CrossEncoder":
        return []  # its modules make scores; its transformer is used as any other
    for place, module in enumerate(modules):
        before = [_PLACES.get(earlier.kind, 0) for earlier in modules[:place]]
        rank = _PLACES.get(module.kind, -1)
        if rank < max(before, default=0) or (rank < _ANY_NUMBER and rank in before):
            raise EncoderNotFoundError(
                f"Encoder {name!r}: its modules.json has {module.kind!r} at place {place}, which "
                f"is not read there. Expected Transformer, Pooling, then any of "
                f"{', '.join(k for k, r in _PLACES.items() if r == _ANY_NUMBER)}. Choose another "
                "encoder."
            )
    return modules


def check_settings(folder: Path, modules: list[Module], name: str) -> None:
    """Check that nothing in a folder changes its vectors in a way that is not read.

    Raises
    ------
    EncoderNotFoundError
        If a setting does; it is named.
    """
    if all(module.kind == "Transformer" for module in modules):
        return  # no vectors of texts are described
    if modules[0].kind == "Transformer" and modules[0].folder != folder:
        _refuse(name, "the path of its Transformer", str(modules[0].folder), "the folder itself")
    stated = transformer_settings(folder)
    text = (stated.get("modality_config") or {}).get("text") or {}
    _check_expected(name, stated | text)
    unread = [setting for setting in stated if stated[setting] and setting not in _READ]
    if unread:
        _refuse(name, unread[0], stated[unread[0]], "no such setting")
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
    """Read the settings of the transformer, in a file with one of the names in use."""
    first = folder / "sentence_bert_config.json"
    files = [first, *sorted(folder.glob(_TRANSFORMER_FILES))]
    return next((stated for path in files if (stated := read_json(path))), {})


def token_pooling(modules: list[Module], name: str, choices: tuple[str, ...], prompt: str) -> str:
    """Return the pooling of tokens that a folder asks for: mean where it states none.

    Raises
    ------
    ConfigError
        If it asks for another than the choices, for several, or leaves the prompt out of it.
    """
    folders = [module.folder for module in modules if module.kind == "Pooling"]
    stated = read_json(folders[0] / "config.json") if folders else {}
    modes = stated.get("pooling_mode") or [
        mode.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for mode, wanted in stated.items()
        if mode.startswith("pooling_mode_") and wanted is True
    ]
    asked = [modes] if isinstance(modes, str) else [str(mode) for mode in modes or ["mean"]]
    reason = ""
    if len(asked) > 1 or asked[0] not in choices:
        reason = f"the pooling {' with '.join(asked)}"
    elif prompt and stated.get("include_prompt") is False:
        reason = f"pooling without its prompt {prompt!r} (include_prompt=False)"
    if reason:
        raise ConfigError(
            f"Encoder {name!r} asks for {reason}, which is not known here. Choose one of "
            f"{', '.join(choices)}: TransformerEncoder(name, pooling=Pooling(tokens=...))."
        )
    return asked[0]


def default_prompt(folder: Path, name: str) -> str:
    """Return what the folder puts before each text; empty for most encoders.

    Raises
    ------
    EncoderNotFoundError
        If the folder names a prompt that it does not have.
    """
    stated = read_json(folder / "config_sentence_transformers.json")
    prompts, chosen = stated.get("prompts") or {}, stated.get("default_prompt_name")
    if chosen is not None and chosen not in prompts:
        _refuse(name, "default_prompt_name", chosen, f"one of its prompts {sorted(prompts)}")
    prompt = str(prompts.get(chosen) or "")
    if len(prompt) > MAX_PROMPT:
        _refuse(name, "its prompt", f"{len(prompt):,} characters", f"at most {MAX_PROMPT:,}")
    return prompt


def set_lower_case(tokenizer: Any) -> None:
    """Let a fast tokenizer set texts in lower case before all else."""
    from tokenizers import normalizers

    fast = tokenizer.backend_tokenizer
    rest = [] if fast.normalizer is None else [fast.normalizer]
    fast.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])


def _check_expected(name: str, stated: dict[str, Any]) -> None:
    for setting, expected in _EXPECTED.items():
        if stated.get(setting) not in (None, expected):
            _refuse(name, setting, stated[setting], repr(expected))


def _refuse(name: str, setting: str, received: Any, expected: str) -> None:
    raise EncoderNotFoundError(
        f"Encoder {name!r}: expected {expected} for {setting}, received {received!r}, which is not "
        "read here. Choose another encoder, or correct its sentence-transformers settings."
    )

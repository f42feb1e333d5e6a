"""What ``nlptl adapt-language`` does: settings from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import build, build_encoder
from nlptl.config.run import Part, number_of, part_of, read_yaml
from nlptl.data.languages.parallel import ParallelText
from nlptl.data.tables.table_reading import read_table
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.languages.language_student import LanguageStudent

_NONE = Part(None, {})
_PARTS = ("encoder", "training")
_NUMBERS = (("keeps", float), ("vocabulary", int), ("seed", int), ("processes", int))


@dataclass(frozen=True, kw_only=True)
class LanguagesConfig(Checkpointed):
    """Settings of the command; the keys of its YAML file are the names of these fields.

    Attributes
    ----------
    pairs : dict of str to list of str
        Tables of sentences and translations for each language.
    output : str or None
        Folder of the encoder that is made.
    without : list of str
        Tables none of whose texts is learnt from.
    encoder, training : Part
        The teacher, and how its student is trained.
    vocabulary : int or None
    keeps : float
        As in ``LanguageStudent``.
    seed : int
    device : str or None
    processes : int or None
        Refuse to run with another number of processes.
    """

    pairs: dict[str, list[str]]
    output: str | None = None
    without: list[str] = field(default_factory=list)
    encoder: Part = _NONE
    training: Part = _NONE
    vocabulary: int | None = None
    keeps: float = 0.25
    seed: int = 0
    device: str | None = None
    processes: int | None = None

    def student(self) -> LanguageStudent:
        """Make the student that these settings describe."""
        options = self.training.options
        training = build("training", "training", options) if options else None
        teacher = build_encoder(self.encoder.name, self.encoder.options)
        return LanguageStudent(
            teacher or TransformerEncoder(),
            vocabulary=self.vocabulary,
            keeps=self.keeps,
            training=self.checkpointing(training),
            seed=self.seed,
            device=self.device,
        )

    def read(self) -> ParallelText:
        """Read all pairs, but those with a text that is to be left out."""
        found = ParallelText.read(
            {name: [Path(path) for path in paths] for name, paths in self.pairs.items()}
        )
        texts: list[str] = []
        for path in self.without:
            table = read_table(path)
            texts += [str(text) for name in table for text in table[name] if isinstance(text, str)]
        return found.without(texts) if texts else found


def read_languages(config: str | None, flags: Mapping[str, Any]) -> LanguagesConfig:
    """Read settings from a YAML file and flags; flags win over it.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is missing, unknown or of the wrong type.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    written = {} if config is None else read_yaml(config)
    settings = {**written, **{n: v for n, v in given.items() if "." not in n}}
    known = [entry.name for entry in fields(LanguagesConfig)]
    for name in settings:
        if name not in known:
            raise ConfigError(f"There is no setting {name!r} in {config!r}. {suggest(name, known)}")
    parts = {part: part_of(part, settings.get(part), given) for part in _PARTS}
    plain = {n: v for n, v in settings.items() if v is not None and n not in _PARTS}
    for name, kind in _NUMBERS:
        if name in plain:
            plain[name] = number_of(name, plain[name], kind)
    without = plain.get("without", [])
    plain["without"] = [without] if isinstance(without, str) else list(without)
    plain["pairs"] = _tables(plain.get("pairs"))
    return LanguagesConfig(**{**plain, **parts})


def _tables(given: Any) -> dict[str, list[str]]:
    """Read ``{de: FILE}``, ``{de: [FILE, FILE]}`` or ``["de=FILE", ...]``."""
    found: dict[str, list[str]] = {}
    if isinstance(given, list | tuple):
        for entry in given:
            language, equals, path = str(entry).partition("=")
            if not equals or not language or not path:
                raise ConfigError(f"--pairs takes LANGUAGE=FILE, got {entry!r}.")
            found.setdefault(language, []).append(path)
    elif isinstance(given, dict):
        for name, paths in given.items():
            found[str(name)] = [paths] if isinstance(paths, str) else [str(path) for path in paths]
    if not found:
        raise ConfigError("There are no pairs to learn from: --pairs LANGUAGE=FILE.")
    return found

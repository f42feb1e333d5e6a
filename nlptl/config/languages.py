"""Read the settings of ``nlptl adapt-language`` from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import build, build_encoder
from nlptl.config.part import Part
from nlptl.config.run import number_of, part_of, read_yaml
from nlptl.data.languages.parallel import ParallelText
from nlptl.data.tables.reading import read_table
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.languages.language_student import LanguageStudent

_NONE = Part(None, {})
_PARTS = ("encoder", "training")
_NUMBERS = (("keeps", float), ("vocabulary", int), ("seed", int), ("processes", int))


@dataclass(frozen=True, kw_only=True)
class LanguagesConfig(Checkpointed):
    """Settings of ``nlptl adapt-language``.

    The keys of its YAML file are the names of these fields.

    Attributes
    ----------
    pairs : dict of str to list of str
        Tables of sentences and translations, per language.
    output : str or None
        Folder for the new encoder.
    without : list of str
        Tables whose texts are excluded from training.
    encoder, training : Part
        The teacher, and how to train its student.
    vocabulary : int or None
    keeps : float
        As in ``LanguageStudent``.
    seed : int
    device : str or None
    processes : int or None
        Required number of processes; None accepts any number.
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
        """Build the student that these settings describe."""
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
        """Read all pairs except those with an excluded text."""
        pairs = ParallelText.read(
            {name: [Path(path) for path in paths] for name, paths in self.pairs.items()}
        )
        excluded: list[str] = []
        for path in self.without:
            table = read_table(path)
            columns = [table[name] for name in table]
            excluded += [str(text) for cells in columns for text in cells if isinstance(text, str)]
        return pairs.without(excluded) if excluded else pairs


def read_languages(config: str | None, flags: Mapping[str, object]) -> LanguagesConfig:
    """Read the settings from a YAML file and flags. Flags override the file.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is missing, unknown or of the wrong type.
    """
    set_flags = {name: value for name, value in flags.items() if value is not None}
    file_settings = {} if config is None else read_yaml(config)
    settings = {**file_settings, **{n: v for n, v in set_flags.items() if "." not in n}}
    names = [entry.name for entry in fields(LanguagesConfig)]
    for name in settings:
        if name not in names:
            raise ConfigError(f"Unknown setting {name!r} in {config!r}. {suggest(name, names)}")
    parts = {part: part_of(part, settings.get(part), set_flags) for part in _PARTS}
    plain = {n: v for n, v in settings.items() if v is not None and n not in _PARTS}
    for name, kind in _NUMBERS:
        if name in plain:
            plain[name] = number_of(name, plain[name], kind)
    paths = plain.get("without", [])
    plain["without"] = [paths] if isinstance(paths, str) else list(paths)
    plain["pairs"] = _tables(plain.get("pairs"))
    return LanguagesConfig(**{**plain, **parts})


def _tables(pairs: object) -> dict[str, list[str]]:
    """Read ``{de: FILE}``, ``{de: [FILE, FILE]}`` or ``["de=FILE", ...]``."""
    tables: dict[str, list[str]] = {}
    if isinstance(pairs, list | tuple):
        for entry in pairs:
            language, equals, path = str(entry).partition("=")
            if not equals or not language or not path:
                raise ConfigError(
                    f"--pairs takes LANGUAGE=FILE, got {entry!r}. Write de=pairs.csv."
                )
            tables.setdefault(language, []).append(path)
    elif isinstance(pairs, dict):
        for name, paths in pairs.items():
            tables[str(name)] = [paths] if isinstance(paths, str) else [str(path) for path in paths]
    if not tables:
        raise ConfigError(
            f"Training needs at least one table of sentence pairs, got {pairs!r}. "
            "Pass --pairs LANGUAGE=FILE."
        )
    return tables

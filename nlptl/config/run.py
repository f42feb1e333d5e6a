"""Read the settings of ``nlptl train`` from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import ImbalanceName, LongTexts, OnHarm, PairEncoding
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import PARTS, build, build_encoder, build_joined
from nlptl.config.export_options import with_export_options
from nlptl.config.part import Part
from nlptl.data.labels import are_lists, distinct
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.training.config import TrainingConfig
from nlptl.transfer.registry import METHODS
from nlptl.transfer.relations.label_meaning import own_name

Number = TypeVar("Number", int, float)

TASKS = ("classification", "regression")


@dataclass(frozen=True, kw_only=True)
class RunConfig(Checkpointed):
    """Settings of ``nlptl train``. The keys of its YAML file are the names of these fields.

    Attributes
    ----------
    data : str
        File, folder or Hub name of the training table. Empty if the model is trained on a source
        or on class names alone.
    text_column : tuple of str
        One column, or two for text pairs.
    label_column : str
        The column of the labels.
    split : str or None
        Name of the split to read, if the data set has several.
    shots : int or None
        Number of training rows per class, sampled with ``seed``. 0 trains on class names alone,
        None on all rows.
    test : str or None
        A table to evaluate on.
    test_share : float
        Share of the rows held out for evaluation if ``test`` is not set; 0 for none.
    unlabeled : str or None
        A table of unlabelled texts, for the parts that train on them.
    source : tuple of str
        Tables of labelled rows of other domains or languages, one per domain.
    output : str or None
        Folder for the model.
    encoder, transfer, head, training : Part
        The parts of the model, and how to train it.
    task : {"classification", "regression"}
        Type of the labels: classes or numbers.
    seed : int
    imbalance, device : str or None
    long_texts, pair_encoding : str
    on_harm : str or None
        As in ``TextClassifier``.
    drop_blank : bool
        If True, skip rows whose text or label is blank. If False, such a row is an error.
    processes : int or None
        Required number of processes; None accepts any number.
    """

    data: str = ""
    text_column: tuple[str, ...] = ("text",)
    label_column: str = "label"
    split: str | None = None
    shots: int | None = None
    test: str | None = None
    test_share: float = 0.2
    unlabeled: str | None = None
    source: tuple[str, ...] = ()
    output: str | None = None
    encoder: Part = field(default_factory=Part)
    transfer: Part = field(default_factory=Part)
    head: Part = field(default_factory=Part)
    training: Part = field(default_factory=Part)
    task: str = "classification"
    seed: int = 0
    imbalance: ImbalanceName | None = None
    device: str | None = None
    long_texts: LongTexts = "windows"
    pair_encoding: PairEncoding = "auto"
    on_harm: OnHarm | None = None
    drop_blank: bool = False
    processes: int | None = None

    @property
    def numeric(self) -> bool:
        """True if the labels are numbers."""
        return self.task == "regression"

    def model(self) -> TextClassifier | TextRegressor:
        """Build the classifier or regressor that these settings describe."""
        encoder = build_encoder(self.encoder.name, self.encoder.options)
        parts: dict[str, Any] = {
            "transfer": _build_part("transfer", self.transfer, "frozen"),
            "head": _build_part("head", self.head, "ridge" if self.numeric else "logistic"),
            "training": self._training(),
            "seed": self.seed,
            "device": self.device,
            "long_texts": self.long_texts,
            "pair_encoding": self.pair_encoding,
            "on_harm": self.on_harm,
        }
        if self.numeric:
            return TextRegressor(encoder, **parts)
        return TextClassifier(encoder, imbalance=self.imbalance, **parts)

    def naming(self, labels: Sequence[object]) -> RunConfig:
        """Return these settings with a class name for each label, and for each name in the options.

        Raises
        ------
        ConfigError
            If a label cannot be turned into a readable name, or if rows have several labels.
        InputError
            If a label is missing.
        """
        if are_lists(labels):
            raise ConfigError(
                "Class names need one label per text, got lists of labels. "
                "Use a table with one label per row."
            )
        options = self.transfer.options
        meaning = build("transfer", "meaning", {"names": options.get("names", ())})
        # Keys from flags are strings, so labels are compared as strings.
        listed = {str(label): (label, texts) for label, texts in meaning.names}
        names = []
        for label in distinct(labels).tolist():
            _, texts = listed.pop(str(label), (label, ()))
            names.append((label, texts or own_name(label)))
        named = {**options, "names": [*names, *listed.values()]}
        return replace(self, transfer=replace(self.transfer, options=named))

    @property
    def tunes(self) -> bool:
        """True if the transfer trains the encoder."""
        names = {name.strip() for name in (self.transfer.name or "").split("+")}
        return any(method.trains_encoder for method in METHODS if method.name in names)

    def _training(self) -> TrainingConfig | None:
        return self.checkpointing(_build_part("training", self.training, "training"))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without the output folder."""
        settings = asdict(self)
        for name in ("output", "processes"):
            settings.pop(name)
        for name in ("drop_blank", "source", "on_harm"):  # older models were saved without them
            if not settings[name]:
                settings.pop(name)
        if self.source:
            settings["source"] = list(self.source)
        return {**settings, "text_column": list(self.text_column)}


def read_run(
    config: str | None,
    flags: Mapping[str, object],
    *,
    zero_shot: bool = False,
    export_format: str | None = None,
) -> RunConfig:
    """Read the settings from a YAML file and flags. Flags override the file.

    Parameters
    ----------
    config : str or None
        Path of a YAML file.
    flags : mapping
        Values from the command line; None if a flag is absent. ``"head.C"`` sets an option of a
        part.
    zero_shot : bool
        If True, a model may be trained on class names alone, with ``shots`` of 0 or no data.
    export_format : str or None
        Add the options that a model needs for this export format.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is unknown or of the wrong type.
    """
    settings = read_yaml(config) if config else {}
    set_flags = {name: value for name, value in flags.items() if value is not None}
    parts = {part: part_of(part, settings.get(part), set_flags) for part in PARTS}
    plain = {
        **{name: value for name, value in settings.items() if name not in PARTS},
        **{n: v for n, v in set_flags.items() if "." not in n and n not in PARTS},
    }
    if export_format is not None:
        parts, plain = with_export_options(export_format, parts, plain)
    names = [entry.name for entry in fields(RunConfig)]
    for name in plain:
        if name not in names:
            raise ConfigError(f"Unknown setting {name!r} in {config!r}. {suggest(name, names)}")
    source = plain.pop("source", None) or ()
    plain["source"] = (source,) if isinstance(source, str) else tuple(source)
    if not plain.get("data") and not plain["source"]:
        has_names = zero_shot and "names" in parts["transfer"].options
        shots = number_of("shots", plain.get("shots") or 0, int)
        if not has_names or shots or plain.get("task") == "regression":
            raise ConfigError(
                "There is no data to train on. Name a file: nlptl train DATA.csv, or the labelled "
                "rows of another domain: --source FILE."
            )
        plain["shots"] = 0
    divides = [name for name in ("shots", "test_share") if plain.get(name)]
    if divides and plain["source"] and not plain.get("data"):
        raise ConfigError(
            f"{' and '.join(divides)} need labelled rows of DATA, got only rows of another domain. "
            "Pass DATA, or name a table of test rows: --test FILE."
        )
    columns = plain.get("text_column") or ("text",)
    plain["text_column"] = (columns,) if isinstance(columns, str) else tuple(columns)
    return _typed({**plain, **parts}, min_shots=0 if zero_shot else 1)


def _typed(settings: dict[str, Any], min_shots: int) -> RunConfig:
    settings = {name: value for name, value in settings.items() if value is not None}
    numbers = {"shots": int, "seed": int, "test_share": float, "processes": int}
    for name in numbers.keys() & settings.keys():
        settings[name] = number_of(name, settings[name], numbers[name])
    check_switch("drop_blank", settings.get("drop_blank", False))
    if settings.get("shots", 1) < min_shots:
        raise ConfigError(f"shots must be at least {min_shots}, got {settings['shots']}.")
    transfer = settings["transfer"].name or "frozen"
    names = {name.strip() for name in transfer.split("+")}
    if settings.get("shots") == 0 and not {"meaning", "auto"} & names:
        raise ConfigError(
            f"Training without rows uses only the class names, and transfer {transfer!r} cannot "
            "read them. Pass --transfer meaning or --transfer auto."
        )
    if not 0 <= settings.get("test_share", 0.2) < 1:
        raise ConfigError(
            f"test_share must be at least 0 and below 1, got {settings['test_share']}. "
            "Use 0 to hold out no rows."
        )
    task = settings.get("task", "classification")
    if task not in TASKS:
        raise ConfigError(f"task={task!r} is not known. {suggest(str(task), TASKS)}")
    for name in ("imbalance", "shots"):
        if task == "regression" and name in settings:
            raise ConfigError(
                f"{name}={settings[name]!r} is about classes, and task='regression' has none. "
                "Leave it out."
            )
    return RunConfig(**settings)


def check_switch(name: str, value: object) -> None:
    """Check that a setting is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}.")


def number_of(name: str, value: str | float, kind: Callable[[str | float], Number]) -> Number:
    """Convert the value of a setting to a number.

    Raises
    ------
    ConfigError
        If the value is not a number.
    """
    try:
        return kind(value)
    except (TypeError, ValueError) as problem:
        raise ConfigError(f"{name} must be a number, got {value!r}.") from problem


def part_of(part: str, setting: object, flags: Mapping[str, object]) -> Part:
    """Read ``head: mlp`` or ``head: {name: mlp, hidden: [64]}``, and the flags of this part.

    Raises
    ------
    ConfigError
        If the setting is neither a name nor a mapping.
    """
    if setting is not None and not isinstance(setting, str | dict):
        raise ConfigError(
            f"{part} must be a name or a mapping with a name, got {setting!r}. Write {part}: NAME."
        )
    options = dict(setting) if isinstance(setting, dict) else {}
    name = options.pop("name", None) if isinstance(setting, dict) else setting
    flag_name: Any = flags.get(part, name)
    if flag_name != name:
        options = {}  # they are options of another class
    prefix = f"{part}."
    flag_options = {n.removeprefix(prefix): v for n, v in flags.items() if n.startswith(prefix)}
    return Part(flag_name, {**options, **flag_options})


def _build_part(part: str, setting: Part, default: str) -> Any:
    if setting.name is None and not setting.options:
        return None
    return build_joined(part, setting.name or default, setting.options)


def read_yaml(path: str) -> dict[str, Any]:
    """Read settings from a YAML file.

    Raises
    ------
    ConfigError
        If the file cannot be read, or does not hold a mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(user_path(path).read_text(encoding="utf-8-sig"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as problem:
        reason = " ".join(str(problem).split())
        raise ConfigError(f"Cannot read configuration {path!r}: {reason}") from problem
    if not isinstance(content, dict):
        raise ConfigError(f"{path!r} must hold settings as 'name: value', got {content!r}.")
    return content

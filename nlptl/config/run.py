"""All settings of one training run, from a YAML file and from flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import PARTS, build, build_encoder, build_joined
from nlptl.data.labels import are_lists, distinct
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.training.config import TrainingConfig
from nlptl.transfer.registry import METHODS
from nlptl.transfer.relations.label_meaning import own_name

"""Transfers that train step by step, and so write checkpoints."""
TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Part:
    """The name of a part and its options, as written."""

    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Checkpointed):
    """What ``nlptl train`` does; the keys of its YAML file are the names of these fields.

    Attributes
    ----------
    data : str
        File, folder or Hub name of the training table; empty where names of classes are all
        that is learnt from.
    text_column : tuple of str
        One column, or two for pairs of texts.
    label_column : str
        The column of the labels.
    split : str or None
        Which split of a data set with several.
    shots : int or None
        Train on so many rows of each class, drawn by ``seed``; 0 for the names of classes alone.
    test : str or None
        A table to evaluate on.
    test_share : float
        Share of the rows held out for evaluation where ``test`` is not given; 0 for none.
    unlabeled : str or None
        A table of texts without labels, for what learns from them.
    output : str or None
        Folder of the model.
    encoder, transfer, head, training : Part
        What the model is made of.
    task : {"classification", "regression"}
        Whether the labels are classes or numbers.
    seed : int
    imbalance, device : str or None
    long_texts, pair_encoding : str
        As in ``TextClassifier``.
    drop_blank : bool
        Leave out rows whose text or label is blank, in place of refusing them.
    processes : int or None
        Refuse to run with another number of processes.
    """

    data: str = ""
    text_column: tuple[str, ...] = ("text",)
    label_column: str = "label"
    split: str | None = None
    shots: int | None = None
    test: str | None = None
    test_share: float = 0.2
    unlabeled: str | None = None
    output: str | None = None
    encoder: Part = Part()
    transfer: Part = Part()
    head: Part = Part()
    training: Part = Part()
    task: str = "classification"
    seed: int = 0
    imbalance: str | None = None
    device: str | None = None
    long_texts: str = "windows"
    pair_encoding: str = "auto"
    drop_blank: bool = False
    processes: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether the labels are numbers."""
        return self.task == "regression"

    def model(self) -> TextClassifier | TextRegressor:
        """Make the classifier or regressor that these settings describe."""
        encoder = build_encoder(self.encoder.name, self.encoder.options)
        parts: dict[str, Any] = {
            "transfer": _made("transfer", self.transfer, "frozen"),
            "head": _made("head", self.head, "ridge" if self.numeric else "logistic"),
            "training": self._training(),
            "seed": self.seed,
            "device": self.device,
            "long_texts": self.long_texts,
            "pair_encoding": self.pair_encoding,
        }
        if self.numeric:
            return TextRegressor(encoder, **parts)
        return TextClassifier(encoder, imbalance=self.imbalance, **parts)

    def naming(self, labels: Sequence[Any]) -> RunConfig:
        """Give the same with a name for each label that a table has, and those written down.

        Raises
        ------
        ConfigError
            If a label has no name that could be read, or rows have several.
        InputError
            If a label is missing.
        """
        if are_lists(labels):
            raise ConfigError("Names of classes need one label a text; these rows have lists.")
        options = self.transfer.options
        told = build("transfer", "meaning", {"names": options.get("names", ())}).names
        written = {str(label): (label, texts) for label, texts in told}  # flags: keys are text
        names = []
        for label in distinct(labels).tolist():
            _, texts = written.pop(str(label), (label, ()))
            names.append((label, texts or own_name(label)))
        named = {**options, "names": [*names, *written.values()]}
        return replace(self, transfer=replace(self.transfer, options=named))

    @property
    def tunes(self) -> bool:
        """Whether an encoder is tuned."""
        names = {name.strip() for name in (self.transfer.name or "").split("+")}
        return any(method.trains_encoder for method in METHODS if method.name in names)

    def _training(self) -> TrainingConfig | None:
        return self.checkpointing(_made("training", self.training, "training"))

    def to_json(self) -> dict[str, Any]:
        """Give the settings as plain JSON values, without where the model goes."""
        settings = asdict(self)
        for name in ("output", "processes"):
            settings.pop(name)
        if not self.drop_blank:  # as models that are older than this setting have it
            settings.pop("drop_blank")
        return {**settings, "text_column": list(self.text_column)}


def read_run(
    config: str | None,
    flags: Mapping[str, Any],
    *,
    transfer: str | None = None,
    zero_shot: bool = False,
) -> RunConfig:
    """Join a YAML file with flags; flags win.

    Parameters
    ----------
    config : str or None
        Path of a YAML file.
    flags : mapping
        Settings given on the command line; ``"head.C"`` sets an option of a part.
    transfer : str, optional
        What is taken where neither names a transfer.
    zero_shot : bool
        Whether names of classes may be all that is learnt from: ``shots`` of 0, or no data.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is unknown or of the wrong type.
    """
    settings = read_yaml(config) if config else {}
    given = {name: value for name, value in flags.items() if value is not None}
    parts = {part: part_of(part, settings.get(part), given) for part in PARTS}
    if parts["transfer"].name is None and transfer is not None:
        parts["transfer"] = replace(parts["transfer"], name=transfer)
    plain = {
        **{name: value for name, value in settings.items() if name not in PARTS},
        **{n: v for n, v in given.items() if "." not in n and n not in PARTS},
    }
    known = [entry.name for entry in fields(RunConfig)]
    for name in plain:
        if name not in known:
            raise ConfigError(f"There is no setting {name!r} in {config!r}. {suggest(name, known)}")
    if not plain.get("data"):
        described = zero_shot and "names" in parts["transfer"].options
        shots = number_of("shots", plain.get("shots") or 0, int)
        if not described or shots or plain.get("task") == "regression":
            raise ConfigError("There is no data to train on. Name a file: nlptl train DATA.csv")
        plain["shots"] = 0
    columns = plain.get("text_column") or ("text",)
    plain["text_column"] = (columns,) if isinstance(columns, str) else tuple(columns)
    return _typed({**plain, **parts}, fewest=0 if zero_shot else 1)


def _typed(settings: dict[str, Any], fewest: int) -> RunConfig:
    settings = {name: value for name, value in settings.items() if value is not None}
    numbers = {"shots": int, "seed": int, "test_share": float, "processes": int}
    for name in numbers.keys() & settings.keys():
        settings[name] = number_of(name, settings[name], numbers[name])
    check_switch("drop_blank", settings.get("drop_blank", False))
    if settings.get("shots", 1) < fewest:
        raise ConfigError(f"shots must be at least {fewest}, got {settings['shots']}.")
    named = (settings["transfer"].name or "frozen").split("+")
    if settings.get("shots") == 0 and not {"meaning", "auto"} & {name.strip() for name in named}:
        raise ConfigError("Without rows the names of classes decide: --transfer meaning, or auto.")
    if not 0 <= settings.get("test_share", 0.2) < 1:
        raise ConfigError(f"test_share must be 0 or lie below 1, got {settings['test_share']}.")
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


def check_switch(name: str, value: Any) -> None:
    """Check that a setting is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}.")


def number_of(name: str, value: Any, kind: Callable[[Any], Any]) -> Any:
    """Read a number, or say which setting should have been one."""
    try:
        return kind(value)
    except (TypeError, ValueError) as problem:
        raise ConfigError(f"{name} must be a number, got {value!r}.") from problem


def part_of(part: str, written: Any, given: Mapping[str, Any]) -> Part:
    """Read ``head: mlp`` or ``head: {name: mlp, hidden: [64]}`` and the flags for it."""
    if written is not None and not isinstance(written, str | dict):
        raise ConfigError(f"{part} must be a name or a mapping with a name, got {written!r}.")
    options = dict(written) if isinstance(written, dict) else {}
    name = options.pop("name", None) if isinstance(written, dict) else written
    chosen = given.get(part, name)
    if chosen != name:
        options = {}  # options of another class mean nothing to this one
    prefix = f"{part}."
    flags = {n.removeprefix(prefix): v for n, v in given.items() if n.startswith(prefix)}
    return Part(chosen, {**options, **flags})


def _made(part: str, chosen: Part, default: str) -> Any:
    if chosen.name is None and not chosen.options:
        return None
    return build_joined(part, chosen.name or default, chosen.options)


def read_yaml(path: str) -> dict[str, Any]:
    """Read settings from a YAML file.

    Raises
    ------
    ConfigError
        If it cannot be read, or holds something else than a mapping.
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

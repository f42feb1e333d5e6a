"""Read the settings of ``nlptl multitask`` from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import ImbalanceName, LongTexts, PairEncoding
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import build, build_encoder, build_joined
from nlptl.config.part import Part
from nlptl.config.run import check_switch, number_of, part_of, read_yaml
from nlptl.data.mixing import Mixing
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.tasks.task import Task

_PARTS = ("encoder", "transfer", "training")
_NONE = Part()
_TASK_FIELDS = ("kind", "metric", "weight", "imbalance")


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """The tables of a task and its settings.

    Attributes
    ----------
    data : str
        File, folder or Hub name of the training table.
    test : str or None
        A table to evaluate on.
    text_column : tuple of str
        One column, or two for text pairs.
    label_column : str
        The column of the labels or numbers.
    split : str or None
        Name of the split to read, if the data set has several.
    kind, metric, weight, imbalance
        As in ``Task``.
    head : Part
        As in ``nlptl train``.
    """

    data: str
    test: str | None = None
    text_column: tuple[str, ...] = ("text",)
    label_column: str = "label"
    split: str | None = None
    kind: str = "auto"
    head: Part = _NONE
    metric: str | None = None
    weight: float = 1.0
    imbalance: ImbalanceName | None = None

    def task(self) -> Task:
        """Build the task."""
        part = self.head
        head = build("head", part.name or "logistic", part.options) if part != _NONE else None
        return Task(head=head, **{name: getattr(self, name) for name in _TASK_FIELDS})


@dataclass(frozen=True, kw_only=True)
class TasksConfig(Checkpointed):
    """Settings of ``nlptl multitask``. The keys of its YAML file are the names of these fields.

    Attributes
    ----------
    tasks : dict of str to TaskTable
        Each task by its name.
    output : str or None
        Folder for the model.
    encoder, transfer, training : Part
        The parts of the model, and how to train it.
    mixing : dict
        Options of ``Mixing``.
    balance : {"sum", "uncertainty", "pcgrad"}
    gate : bool or list of str
        As in ``MultiTaskModel``.
    test_share : float
        Share of a task's rows held out for evaluation if its ``test`` is not set; 0 for none.
    seed : int
    device : str or None
    long_texts, pair_encoding : str
        As in ``TextClassifier``.
    drop_blank : bool
        If True, skip rows whose text or label is blank. If False, such a row is an error.
    processes : int or None
        Required number of processes; None accepts any number.
    """

    tasks: dict[str, TaskTable]
    output: str | None = None
    encoder: Part = _NONE
    transfer: Part = _NONE
    training: Part = _NONE
    mixing: dict[str, Any] = field(default_factory=dict)
    balance: str = "sum"
    gate: bool | list[str] = True
    test_share: float = 0.2
    seed: int = 0
    device: str | None = None
    long_texts: LongTexts = "windows"
    pair_encoding: PairEncoding = "auto"
    drop_blank: bool = False
    processes: int | None = None

    def model(self) -> MultiTaskModel:
        """Build the model that these settings describe."""
        transfer, options = self.transfer, self.training.options
        training = None if self.training == _NONE else build("training", "training", options)
        try:
            mixing = Mixing(**self.mixing) if self.mixing else None
        except TypeError as problem:
            names = [entry.name for entry in fields(Mixing)]
            unknown = next(name for name in self.mixing if name not in names)
            raise ConfigError(
                f"mixing has no option {unknown!r}. {suggest(unknown, names)}"
            ) from problem
        return MultiTaskModel(
            {name: table.task() for name, table in self.tasks.items()},
            encoder=build_encoder(self.encoder.name, self.encoder.options),
            transfer=build_joined("transfer", transfer.name or "full", transfer.options),
            mixing=mixing,
            training=self.checkpointing(training),
            balance=self.balance,
            gate=self.gate,
            seed=self.seed,
            device=self.device,
            long_texts=self.long_texts,
            pair_encoding=self.pair_encoding,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without the output folder."""
        settings = asdict(self)
        for name in ("output", "processes"):
            settings.pop(name)
        if not self.drop_blank:  # older models were saved without this setting
            settings.pop("drop_blank")
        for table in settings["tasks"].values():
            table["text_column"] = list(table["text_column"])
        return settings


def read_tasks(config: str | None, flags: Mapping[str, object]) -> TasksConfig:
    """Read the settings from a YAML file and flags. Flags override the file.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is unknown or of the wrong type.
    """
    if config is None:
        raise ConfigError(
            "multitask needs a YAML file that describes the tasks, got none. Pass --config YAML."
        )
    set_flags = {name: value for name, value in flags.items() if value is not None}
    settings = {**read_yaml(config), **{n: v for n, v in set_flags.items() if "." not in n}}
    names = [entry.name for entry in fields(TasksConfig)]
    for name in settings:
        if name not in names:
            raise ConfigError(f"Unknown setting {name!r} in {config!r}. {suggest(name, names)}")
    tasks = settings.get("tasks")
    if not isinstance(tasks, dict) or not tasks:
        raise ConfigError(
            f"{config!r} must describe at least one task, got tasks={tasks!r}. "
            "Write tasks: {name: {data: FILE}}."
        )
    parts = {part: part_of(part, settings.get(part), set_flags) for part in _PARTS}
    tables = {str(name): _table(str(name), setting) for name, setting in tasks.items()}
    plain = {n: v for n, v in settings.items() if v is not None and n not in _PARTS}
    for name, kind in (("seed", int), ("test_share", float), ("processes", int)):
        if name in plain:
            plain[name] = number_of(name, plain[name], kind)
    check_switch("drop_blank", plain.get("drop_blank", False))
    return TasksConfig(**{**plain, **parts, "tasks": tables})


def _table(name: str, setting: object) -> TaskTable:
    names = [entry.name for entry in fields(TaskTable)]
    if not isinstance(setting, dict) or "data" not in setting:
        raise ConfigError(
            f"Task {name!r} needs data, got {setting!r}. "
            f"Write {name}: {{data: FILE}}, with a file, a folder or a Hub name."
        )
    for option in setting:
        if option not in names:
            raise ConfigError(f"Task {name!r} has no option {option!r}. {suggest(option, names)}")
    options = {option: value for option, value in setting.items() if value is not None}
    columns = options.get("text_column", ("text",))
    options["text_column"] = (columns,) if isinstance(columns, str) else tuple(columns)
    options["head"] = part_of("head", options.get("head"), {})
    if "weight" in options:
        options["weight"] = number_of("weight", options["weight"], float)
    return TaskTable(**options)

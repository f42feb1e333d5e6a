"""All settings of a run that learns several tasks, from a YAML file and from flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.checkpointed import Checkpointed
from nlptl.config.components import build, build_encoder, build_joined
from nlptl.config.run import Part, check_switch, number_of, part_of, read_yaml
from nlptl.data.mixing import Mixing
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.tasks.task import Task

_PARTS = ("encoder", "transfer", "training")
_NONE = Part()
_OWN = ("kind", "metric", "weight", "imbalance")


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """Where one task has its rows, and what it is.

    Attributes
    ----------
    data : str
        File, folder or Hub name of the training table.
    test : str or None
        A table to evaluate on.
    text_column : tuple of str
        One column, or two for pairs of texts.
    label_column : str
        The column of the answers.
    split : str or None
        Which split of a data set with several.
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
    imbalance: str | None = None

    def task(self) -> Task:
        """Make the task."""
        head = self.head
        made = build("head", head.name or "logistic", head.options) if head != _NONE else None
        return Task(head=made, **{name: getattr(self, name) for name in _OWN})


@dataclass(frozen=True, kw_only=True)
class TasksConfig(Checkpointed):
    """What ``nlptl multitask`` does; the keys of its YAML file are the names of these fields.

    Attributes
    ----------
    tasks : dict of str to TaskTable
    output : str or None
        Folder of the model.
    encoder, transfer, training : Part
        What the model is made of.
    mixing : dict
        Options of ``Mixing``.
    balance : {"sum", "uncertainty", "pcgrad"}
    gate : bool or list of str
        As in ``MultiTaskModel``.
    test_share : float
        Share of the rows of a task held out for evaluation where it names no test; 0 for none.
    seed : int
    device : str or None
    long_texts, pair_encoding : str
        As in ``TextClassifier``.
    drop_blank : bool
        Leave out rows whose text or label is blank, in place of refusing them.
    processes : int or None
        Refuse to run with another number of processes.
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
    long_texts: str = "windows"
    pair_encoding: str = "auto"
    drop_blank: bool = False
    processes: int | None = None

    def model(self) -> MultiTaskModel:
        """Make the model that these settings describe."""
        transfer, given = self.transfer, self.training
        chosen = transfer.name or "full"
        training = None if given == _NONE else build("training", "training", given.options)
        try:
            mixing = Mixing(**self.mixing) if self.mixing else None
        except TypeError as problem:
            known = [entry.name for entry in fields(Mixing)]
            unknown = next(name for name in self.mixing if name not in known)
            raise ConfigError(
                f"mixing has no option {unknown!r}. {suggest(unknown, known)}"
            ) from problem
        return MultiTaskModel(
            {name: table.task() for name, table in self.tasks.items()},
            encoder=build_encoder(self.encoder.name, self.encoder.options),
            transfer=build_joined("transfer", chosen, transfer.options),
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
        """Give the settings as plain JSON values, without where the model goes."""
        settings = asdict(self)
        for name in ("output", "processes"):
            settings.pop(name)
        if not self.drop_blank:  # as models that are older than this setting have it
            settings.pop("drop_blank")
        for table in settings["tasks"].values():
            table["text_column"] = list(table["text_column"])
        return settings


def read_tasks(config: str | None, flags: Mapping[str, Any]) -> TasksConfig:
    """Read the YAML file of several tasks; flags win over it.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is unknown or of the wrong type.
    """
    if config is None:
        raise ConfigError("Several tasks are described in a file: nlptl multitask --config YAML")
    given = {name: value for name, value in flags.items() if value is not None}
    settings = {**read_yaml(config), **{n: v for n, v in given.items() if "." not in n}}
    known = [entry.name for entry in fields(TasksConfig)]
    for name in settings:
        if name not in known:
            raise ConfigError(f"There is no setting {name!r} in {config!r}. {suggest(name, known)}")
    tasks = settings.get("tasks")
    if not isinstance(tasks, dict) or not tasks:
        raise ConfigError(f"{config!r} names no tasks: write tasks: {{name: {{data: FILE}}}}.")
    parts = {part: part_of(part, settings.get(part), given) for part in _PARTS}
    tables = {str(name): _table(str(name), told) for name, told in tasks.items()}
    plain = {n: v for n, v in settings.items() if v is not None and n not in _PARTS}
    for name, kind in (("seed", int), ("test_share", float), ("processes", int)):
        if name in plain:
            plain[name] = number_of(name, plain[name], kind)
    check_switch("drop_blank", plain.get("drop_blank", False))
    return TasksConfig(**{**plain, **parts, "tasks": tables})


def _table(name: str, told: Any) -> TaskTable:
    known = [entry.name for entry in fields(TaskTable)]
    if not isinstance(told, dict) or "data" not in told:
        raise ConfigError(f"Task {name!r} needs data: a file, a folder or a Hub name.")
    for option in told:
        if option not in known:
            raise ConfigError(f"Task {name!r} has no option {option!r}. {suggest(option, known)}")
    given = {option: value for option, value in told.items() if value is not None}
    columns = given.get("text_column", ("text",))
    given["text_column"] = (columns,) if isinstance(columns, str) else tuple(columns)
    given["head"] = part_of("head", given.get("head"), {})
    if "weight" in given:
        given["weight"] = number_of("weight", given["weight"], float)
    return TaskTable(**given)

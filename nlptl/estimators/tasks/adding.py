"""One more task for a model of several, which leaves the others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.names import suggest
from nlptl.estimators.tasks.task import Task, TaskData, as_tasks
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.lora import LoRA

if TYPE_CHECKING:
    from nlptl.estimators.multi_task import MultiTaskModel
    from nlptl.estimators.text_model import TextModel

WAYS = ("adapter", "head")


def added(
    model: MultiTaskModel, name: str, task: Any, data: Any, *, how: str
) -> tuple[TextModel, Task]:
    """Fit a further task on the shared encoder of a model, which is not changed.

    Raises
    ------
    ConfigError
        If there is a task of that name, it has no answers, or ``how`` is not known.
    InputError
        If the data cannot be used.
    """
    if how not in WAYS:
        raise ConfigError(f"how={how!r} is not known. {suggest(str(how), WAYS)}")
    if name in model.models_:
        raise ConfigError(f"There is a task {name!r} already. Choose another name.")
    wanted = as_tasks({name: task})[name]
    given = TaskData.read(name, data, reads_only=False)
    transfer = LoRA(merge=False) if how == "adapter" else Frozen("top")
    options = {**model._options(), "encoder": model.shared_, "transfer": transfer}
    try:
        known = wanted.known(given.answers)
        own = known.model(options).fit(given.texts, given.answers)
    except (InputError, ConfigError) as problem:
        raise type(problem)(f"Task {name!r}: {problem}") from problem
    return own, known

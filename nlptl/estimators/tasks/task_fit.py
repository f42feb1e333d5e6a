"""Fit of a multi-task model: train all tasks, compare the variants of each, and keep the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlptl.base.progress import progress_bar
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.joint import JointResult, JointTraining
from nlptl.estimators.tasks.prepared import read_parts
from nlptl.estimators.tasks.refitting import on_all_rows
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, as_tasks, gated
from nlptl.estimators.tasks.task_options import (
    check_balance,
    check_memory,
    mixing_of,
    options_of,
    transfers_of,
)
from nlptl.estimators.tasks.variants import (
    JOINT,
    VARIANTS,
    compare_in_main_process,
    variants_of,
)
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.verdict import Verdict
from nlptl.fitting.fitted import FittedModel


@dataclass(frozen=True, eq=False)
class FittedTasks:
    """Result of the fit of several tasks.

    Attributes
    ----------
    tasks : dict of str to Task
        Labelled tasks, with their kinds and metrics filled in.
    models : dict of str to TextModel
        Fitted model of each labelled task.
    comparisons : dict of str to Verdict
        Verdict on the variants of each task.
    variants : dict of str to dict of str to FittedModel
        Variants of each task, trained on the rows that were not held out.
    together : JointResult
        Result of the joint training.
    """

    tasks: dict[str, Task]
    models: dict[str, TextModel]
    comparisons: dict[str, Verdict]
    variants: dict[str, dict[str, FittedModel]]
    together: JointResult


def fit_tasks(model: SharedModel, data: Mapping[str, object]) -> FittedTasks:
    """Fit all tasks of a model. The model itself does not change.

    Parameters
    ----------
    model : SharedModel
        Model with the options of the fit.
    data : mapping of str to (texts, answers) or Corpus
        The rows of each task.

    Raises
    ------
    InputError
        If the data of a task cannot be used. The message names the task.
    ConfigError
        If options contradict each other.
    """
    tasks = as_tasks(model.tasks)
    check_balance(model.balance)
    compared = gated(tasks, model.gate)
    options, mixing = options_of(model), mixing_of(model)
    check_memory(transfers_of(options["transfer"]), options["training"], mixing)
    parts, readings = read_parts(tasks, data, options)
    training = JointTraining(parts, readings, mixing, model.balance)
    together = training.fit()
    variants, comparisons = {}, {}
    with progress_bar(total=len(compared), unit="task", description="Comparing") as bar:
        for name, part in parts.items():
            names = VARIANTS if name in compared else (JOINT,)
            variants[name] = variants_of(part, together, names=names)
            comparisons[name] = compare_in_main_process(
                part, variants[name], seed=model.seed, parts=parts
            )
            bar.update(name in compared)
    kept = {name: comparison.kept for name, comparison in comparisons.items()}
    chosen = {name: variants[name][kept[name]] for name in parts}
    fitted, together = on_all_rows(training, together, chosen, kept)
    models = {}
    for name, part in parts.items():
        models[name] = task_model = part.model
        task_model.transfer_, task_model.transfer_verdict_ = task_model.transfer, None
        keep(task_model, fitted[name], task_model.audit_)
    tasks = {name: part.task for name, part in parts.items()}
    return FittedTasks(tasks, models, comparisons, variants, together)

"""Train several tasks on one encoder, and train a task alone where that is better.

A YAML file lists the tasks with their tables (see recipes/multitask.yaml). Interrupted training
resumes from its last checkpoint when the same command runs again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from nlptl.base.paths import user_path
from nlptl.cli.console import console
from nlptl.cli.learning.train import already_done, contents_of
from nlptl.cli.learning.trained_model import saved_at_the_end
from nlptl.cli.tables import add_reading, read_labelled, read_texts, run_settings
from nlptl.config.tasks import TasksConfig, TaskTable, read_tasks
from nlptl.data.splits import number_split, stratified_split
from nlptl.reports.terminal_tables import affinity_table, comparisons_table, costs_table
from nlptl.saving.model_folder import refuse_foreign
from nlptl.storage.outputs import check_output_folder
from nlptl.training.processes import check_world, from_main

EXAMPLES = """examples:
  nlptl multitask --config tasks.yaml --output model/
  accelerate launch -m nlptl multitask --config recipes/multitask.yaml
"""
INTERRUPTED = "run the same command again to resume from the saved checkpoints"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--config", metavar="YAML", help="file with the tasks and all settings")
    parser.add_argument("--output", metavar="FOLDER", help="folder for the model")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model trained with other settings"
    )
    parser.add_argument("--encoder", metavar="NAME", help="transformer, or a Hub name or folder")
    parser.add_argument("--transfer", metavar="NAME", help="full (default), lora, full+l2sp")
    parser.add_argument("--balance", metavar="NAME", help="sum (default), uncertainty or pcgrad")
    add_reading(parser)
    parser.add_argument(
        "--seed", metavar="N", help="random seed; the same seed gives the same model"
    )
    parser.add_argument("--device", help="torch device, for example cpu or cuda:1")
    parser.add_argument("--processes", metavar="N", help="required number of processes")


def run(arguments: Namespace) -> int:
    """Train the model, evaluate it and save it.

    Every process of a launch runs this function. Only the first one prints.
    """
    flags = run_settings(arguments)
    config = read_tasks(arguments.config, flags)
    world = check_world(config.processes)
    out = console(quiet=world.rank > 0)
    tables = [name for table in config.tasks.values() for name in (table.data, table.test)]
    files = [*tables, config.encoder.name, *config.encoder.options.values()]
    if config.output is not None:
        check_output_folder(config.output, inputs=(*files, arguments.config), overwrite=True)
    settings = {**config.to_json(), "sha256": contents_of(files)}
    if from_main(lambda: already_done(config.output, settings, overwrite=arguments.overwrite)):
        message = f"{config.output} already holds the model of these settings: nothing to do."
        out.print(message, soft_wrap=True)
        return 0
    if config.output is not None:
        refuse_foreign(user_path(config.output))
    rows = {name: _tables(table, config) for name, table in config.tasks.items()}
    model = config.model().fit({name: training for name, (training, _) in rows.items()})
    test_rows = {name: test for name, (_, test) in rows.items() if test is not None}
    with saved_at_the_end(model, config, settings, out):
        out.print(comparisons_table(model.comparisons_, model.evaluate(test_rows)))
        if len(model.affinity_.names) > 1:
            out.print(affinity_table(model.affinity_))
        out.print(costs_table(model.costs()))
        for group in model.suggest_groups():
            out.print(f"Gradients agree: {', '.join(group)}.")
    return 0


def _tables(table: TaskTable, config: TasksConfig) -> tuple[Any, Any]:
    """Read the training rows of a task and, if there are any, its test rows."""
    task = table.task()
    if task.reads_only:
        rows = read_texts(
            table.data, table.text_column, split=table.split, drop_blank=config.drop_blank
        )
        return rows.texts, None
    rows, answers = _read(table.data, table, config)
    if table.test is not None:
        return (rows, answers), _read(table.test, table, config)
    if not config.test_share:
        return (rows, answers), None
    resolved = task.known(answers)
    options: dict[str, Any] = {"test_share": config.test_share, "seed": config.seed}
    if resolved.kind == "regression":
        train_rows, test_rows = number_split(np.array(answers), **options)
    else:
        train_rows, test_rows = stratified_split([str(answer) for answer in answers], **options)
    train, test = ((rows.take(p), [answers[i] for i in p]) for p in (train_rows, test_rows))
    return train, test


def _read(source: str, table: TaskTable, config: TasksConfig) -> tuple[Any, list[Any]]:
    rows, answers = read_labelled(
        source,
        table.text_column,
        table.label_column,
        numeric=table.kind == "regression",
        split=table.split,
        drop_blank=config.drop_blank,
    )
    return rows, _fractions(answers) if table.kind == "auto" else answers


def _fractions(answers: list[Any]) -> list[Any]:
    """Return the numbers of a text table, if all cells are numbers and some have fractions."""
    if not all(isinstance(answer, str) for answer in answers):
        return answers
    try:
        numbers = [float(answer) for answer in answers]
    except ValueError:
        return answers
    return answers if all(number.is_integer() for number in numbers) else numbers

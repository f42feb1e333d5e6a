"""Train a text classifier or regressor on a table and save it.

By default the encoder stays frozen and only a head is trained (--transfer frozen). With --transfer
full, both are trained; with --transfer lora, an adapter and the head. Interrupted tuning resumes
from its last checkpoint when the same command runs again (see --training.save_steps).

Options of a part are written with a dot: --transfer.layers 2, --head.C 3 (without --head those of
logistic). --help-all lists them with a sentence each.

With --shots 0, or without DATA, the model is trained on the class names alone. With --source FILE
it is trained on labelled rows of another domain, and --unlabeled FILE has texts of the new domain.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from rich.console import Console

from nlptl.base.arrays import IntArray
from nlptl.base.described import plain_value
from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path
from nlptl.cli import tables
from nlptl.cli.console import add_columns, console
from nlptl.cli.learning.trained_model import saved_at_the_end
from nlptl.cli.learning.training_report import audited, report_training
from nlptl.cli.option_help import add_parts
from nlptl.cli.stages import show_stages
from nlptl.cli.tables import LabelledRows
from nlptl.config.export_options import EXPORT_OPTIONS
from nlptl.config.run import TASKS, RunConfig, read_run
from nlptl.data.corpus import Corpus
from nlptl.data.rows import Rows
from nlptl.data.splits import k_shot, number_split, stratified_split
from nlptl.estimators.loading import load_every
from nlptl.saving.model_folder import refuse_foreign
from nlptl.storage.hashing import fingerprint, sha256_of
from nlptl.storage.outputs import check_output_folder
from nlptl.training.processes import check_world, from_main

EXAMPLES = """examples:
  nlptl train reviews.csv --text-column review --label-column stars --output model/
  nlptl train data.parquet --encoder static --output fast-model/
  nlptl train pairs.tsv --text-column a b --label-column same --output model/
  nlptl train essays.csv --task regression --label-column grade --output model/
  nlptl train data.csv --head mlp --head.hidden [128] --training.epochs 20 --output model/
  nlptl train reviews.csv --for sentence-transformers --output model/
  nlptl train --config run.yaml --seed 1 --output model-1/
  accelerate launch -m nlptl train --config recipes/finetune.yaml
  nlptl train reviews.csv --shots 0 --transfer meaning --output model/
  nlptl train --source books.csv dvd.csv --unlabeled music.csv --output music-model/
  nlptl train --transfer meaning --transfer.names '{"post": "parcels", "pay": "money"}' --output m/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.usage = f"{parser.prog} [DATA] [options]"
    parser.add_argument(
        "data",
        nargs="?",
        help="csv, tsv, jsonl, xlsx or parquet file, folder of such files or datasets, or Hub name",
    )
    add_columns(parser, label=True)
    tables.add_reading(parser)
    parser.add_argument("--config", metavar="YAML", help="file with settings; flags override it")
    parser.add_argument("--output", metavar="FOLDER", help="folder for the model")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model trained with other settings"
    )
    parser.add_argument("--task", metavar="NAME", help=f"{' (default) or '.join(TASKS)}")
    parser.add_argument("--imbalance", metavar="NAME", help="balanced, logit_adjust or focal")
    parser.add_argument("--long-texts", metavar="NAME", help="windows or cut")
    parser.add_argument("--pair-encoding", metavar="NAME", help="auto, separate or joint")
    parser.add_argument("--shots", metavar="N", help="train on N rows per class")
    parser.add_argument("--test", metavar="DATA", help="a table to evaluate on")
    parser.add_argument(
        "--test-share", metavar="SHARE", help="without --test: share of rows held out, default 0.2"
    )
    _add_other_texts(parser)
    parser.add_argument(
        "--on-harm",
        metavar="NAME",
        help="compare with a model without other texts on splits of DATA, and roll-back or warn",
    )
    parser.add_argument(
        "--seed", metavar="N", help="random seed; the same seed gives the same model"
    )
    parser.add_argument("--device", help="torch device, for example cpu or cuda:1")
    parser.add_argument("--processes", metavar="N", help="required number of processes")
    parser.add_argument(
        "--for",
        dest="export_format",
        metavar="FORMAT",
        help=f"options for a later nlptl export --format FORMAT: {', '.join(EXPORT_OPTIONS)}",
    )
    add_parts(parser)


def _add_other_texts(parser: ArgumentParser) -> None:
    """Declare the options for texts in addition to the training table."""
    parser.add_argument(
        "--unlabeled", metavar="DATA", help="a table of unlabelled texts to train on as well"
    )
    parser.add_argument(
        "--source",
        metavar="DATA",
        nargs="+",
        help="tables of labelled rows of other domains; DATA itself may then be left out",
    )


INTERRUPTED = "run the same command again to resume from the saved checkpoints and vectors"


@show_stages()
def run(arguments: Namespace) -> int:
    """Train the model, evaluate it and save it.

    Every process of a launch runs this function. Only the first one prints.
    """
    flags = tables.run_settings(arguments)
    run_config = read_run(
        arguments.config, flags, zero_shot=True, export_format=arguments.export_format
    )
    world = check_world(run_config.processes)
    out = console(quiet=world.rank > 0)
    if run_config.output is not None:
        inputs = (*_read_by(run_config), run_config.encoder.name, arguments.config)
        check_output_folder(run_config.output, inputs=inputs, overwrite=True)
    settings, model = _settings(run_config), _named(run_config).model()
    if from_main(lambda: already_done(run_config.output, settings, overwrite=arguments.overwrite)):
        message = f"{run_config.output} already holds the model of these settings: nothing to do."
        out.print(message, soft_wrap=True)
        return 0
    if run_config.output is not None:
        refuse_foreign(user_path(run_config.output))
    training, testing = _tables(run_config)
    source = read_source(run_config)
    report = audited(model, training, testing, source, out) if len(training[0]) else None
    unlabeled = _without_test_texts(read_unlabeled(run_config), testing, out)
    model.fit(*training, source=source, unlabeled=unlabeled)
    if report is not None:
        model.audit_ = report  # this report covers the test data as well
    with saved_at_the_end(model, run_config, settings, out):
        report_training(model, run_config, (training, testing), out)
    if run_config.output is not None:
        next_step = f"nlptl predict {run_config.output} DATA --output predictions.csv"
        out.print(f"Next: {next_step}", soft_wrap=True)
    return 0


def _named(run_config: RunConfig) -> RunConfig:
    """Add the class names of the table if no row is used for training."""
    if run_config.shots != 0 or not run_config.data:
        return run_config
    return run_config.naming(read_labelled(run_config.data, run_config)[1])


def _without_test_texts(
    unlabeled: Corpus | None, testing: LabelledRows | None, out: Console
) -> Corpus | None:
    """Remove the test texts from the unlabelled texts, so that they are not trained on."""
    if unlabeled is None or testing is None:
        return unlabeled
    pool = unlabeled.without(testing[0])
    if pool.n_removed:
        out.print(
            f"Not trained on: {pool.n_removed} unlabelled texts that are equal or almost equal to "
            "test texts.",
            soft_wrap=True,
        )
    return pool


def _tables(run_config: RunConfig) -> tuple[LabelledRows, LabelledRows | None]:
    """Read the training rows and, if there are any, the test rows."""
    if not run_config.data:
        table = run_config.test
        return (Rows([]), []), read_labelled(table, run_config) if table else None
    rows, labels = read_labelled(run_config.data, run_config)
    if run_config.test is not None:
        return few_of(rows, labels, run_config), read_labelled(run_config.test, run_config)
    if not run_config.test_share:
        return few_of(rows, labels, run_config), None
    train, test = _split(labels, run_config)
    if run_config.shots is not None:  # no sampled row is held out for the test
        train = _sample(labels, run_config)
        others = np.setdiff1d(np.arange(len(labels)), train)
        rng = np.random.default_rng(run_config.seed)
        n_test = max(len(test), 1) if run_config.shots else len(others)
        test = np.sort(rng.permutation(others)[:n_test])
    training = rows.take(train), [labels[i] for i in train]
    return training, (rows.take(test), [labels[i] for i in test]) if len(test) else None


def read_labelled(source: str, run_config: RunConfig) -> LabelledRows:
    """Read the texts and labels of a table."""
    return tables.read_labelled(
        source,
        run_config.text_column,
        run_config.label_column,
        numeric=run_config.numeric,
        split=run_config.split,
        drop_blank=run_config.drop_blank,
    )


def read_unlabeled(run_config: RunConfig) -> Corpus | None:
    """Read the unlabelled texts, if the settings name a table of them."""
    if run_config.unlabeled is None:
        return None
    return Corpus(
        tables.read_texts(
            run_config.unlabeled, run_config.text_column, drop_blank=run_config.drop_blank
        )
    )


def read_source(run_config: RunConfig) -> dict[str, Corpus] | None:
    """Read the labelled rows of other domains, by the names of their tables.

    The names have no folders, because they are published with the model.
    """
    if not run_config.source:
        return None
    corpora: dict[str, Corpus] = {}
    for source in run_config.source:
        name = PurePath(source).name or source
        if name in corpora:
            name = f"{name} ({len(corpora) + 1})"
        corpora[name] = Corpus(*read_labelled(source, run_config))
    return corpora


def _split(labels: Sequence[object], run_config: RunConfig) -> tuple[IntArray, IntArray]:
    options: dict[str, Any] = {"test_share": run_config.test_share, "seed": run_config.seed}
    if run_config.numeric:
        return number_split(np.array(labels), **options)
    return stratified_split([str(label) for label in labels], **options)


def few_of(rows: Rows, labels: list[object], run_config: RunConfig) -> LabelledRows:
    """Return ``shots`` rows per class, or all rows if ``shots`` is None."""
    if run_config.shots is None:
        return rows, labels
    sample = _sample(labels, run_config)
    return rows.take(sample), [labels[i] for i in sample]


def _sample(labels: Sequence[object], run_config: RunConfig) -> IntArray:
    if not run_config.shots:
        return np.arange(0)
    return k_shot(labels, run_config.shots, seed=run_config.seed)


def _settings(run_config: RunConfig) -> dict[str, Any]:
    """Return the settings, with a fingerprint of each file that they name."""
    return {**run_config.to_json(), "sha256": contents_of(_read_by(run_config))}


def _read_by(run_config: RunConfig) -> list[Any]:
    """Return the tables of the settings, and other values that may be paths of files."""
    encoder = run_config.encoder
    tables_read = [run_config.data, run_config.test, run_config.unlabeled, *run_config.source]
    return [*tables_read, encoder.name, *encoder.options.values()]


def contents_of(names: Iterable[object]) -> dict[str, str]:
    """Return a fingerprint of the content of each existing file or folder, by its path."""
    paths = [user_path(name) for name in names if isinstance(name, str) and name]
    return {str(path): _content(path) for path in paths if path.exists()}


def _content(path: Path) -> str:
    """Return a fingerprint of the content of a file or a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return fingerprint({str(file.relative_to(path)): sha256_of(file) for file in files})


def already_done(output: str | None, settings: Mapping[str, object], *, overwrite: bool) -> bool:
    """Return True if the output holds the model of these settings, False if it may be written.

    Raises
    ------
    StorageError
        If the output holds a model of other settings, or something else.
    """
    folder = user_path(output) if output else None
    if folder is None or overwrite or not folder.is_dir() or not any(folder.iterdir()):
        return False
    saved = load_every(folder).notes_.get("run")
    settings = json.loads(json.dumps(settings, default=plain_value))  # JSON has no keys but texts
    if saved == settings:
        return True
    changed = [name for name in settings if (saved or {}).get(name) != settings[name]]
    raise StorageError(
        f"{str(folder)!r} holds a model trained with other settings (they differ in "
        f"{', '.join(changed)}). Choose another --output, or replace it with --overwrite."
    )

"""Train a text classifier, or a regressor, on a table and save it.

The encoder stays frozen and a head learns (--transfer frozen, the default), or both learn
(--transfer full), or an adapter and the head (--transfer lora). Tuning that was interrupted goes
on from its last checkpoint (see --training.save_steps) when the same command runs again. Options of
a part are written with a dot: --transfer.layers 2, --head.C 3 (without --head those of logistic).
With --shots 0, or without DATA, the names of the classes are all that is learnt from.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path
from nlptl.cli import tables
from nlptl.cli.console import add_columns, console, show_warnings
from nlptl.config.components import PARTS, find_class, names_of, options_of
from nlptl.config.run import TASKS, RunConfig, read_run
from nlptl.data.corpus import Corpus
from nlptl.data.rows import Rows
from nlptl.data.splits import k_shot, number_split, stratified_split
from nlptl.estimators.bulk.sharded import evaluate_sharded
from nlptl.estimators.loading import load_every
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.reports.terminal_tables import audit_table
from nlptl.storage.hashing import fingerprint, sha256_of
from nlptl.storage.outputs import check_output_folder
from nlptl.training.processes import check_world, from_main

EXAMPLES = """examples:
  nlptl train reviews.csv --text-column review --label-column stars --output model/
  nlptl train data.parquet --encoder static --output fast-model/
  nlptl train pairs.tsv --text-column a b --label-column same --output model/
  nlptl train essays.csv --task regression --label-column grade --output model/
  nlptl train data.csv --head mlp --head.hidden [128] --training.epochs 20 --output model/
  nlptl train --config run.yaml --seed 1 --output model-1/
  nlptl train reviews.csv --shots 0 --transfer meaning --output model/
  nlptl train --transfer meaning --transfer.names '{"post": "parcels", "pay": "money"}' --output m/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "data", nargs="?", help="csv, tsv, jsonl or parquet file, folder of datasets, or Hub name"
    )
    add_columns(parser, label=True)
    tables.add_drop_blank(parser)
    parser.add_argument("--config", metavar="YAML", help="settings in a file; flags win over it")
    parser.add_argument("--output", metavar="FOLDER", help="where the model goes")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model trained with other settings"
    )
    for part in ("encoder", "transfer", "head"):
        names = ", ".join(names_of(part))
        more = ", or a Hub name or folder" if part == "encoder" else ""
        parser.add_argument(f"--{part}", metavar="NAME", help=f"{names}{more}")
    parser.add_argument("--task", metavar="NAME", help=f"{' (default) or '.join(TASKS)}")
    parser.add_argument("--imbalance", metavar="NAME", help="balanced, logit_adjust or focal")
    parser.add_argument("--long-texts", metavar="NAME", help="windows or cut")
    parser.add_argument("--pair-encoding", metavar="NAME", help="auto, separate or joint")
    parser.add_argument("--shots", metavar="N", help="train on N rows of each class only")
    parser.add_argument("--test", metavar="DATA", help="a table to evaluate on")
    parser.add_argument(
        "--test-share", metavar="SHARE", help="without --test: share of rows held out, default 0.2"
    )
    parser.add_argument(
        "--unlabeled", metavar="DATA", help="a table of texts without labels, to learn from too"
    )
    parser.add_argument("--seed", metavar="N", help="the same seed gives the same model")
    parser.add_argument("--device", help="torch device, for example cpu or cuda:1")
    parser.add_argument("--processes", metavar="N", help="refuse to run with another number")
    for owner, options in _options_by_part().items():
        group = parser.add_argument_group(f"options of {owner}")
        for option, explained in options.items():
            group.add_argument(f"--{owner}.{option}", metavar="VALUE", help=explained)


INTERRUPTED = "run the same command again: checkpoints and vectors that were kept are taken up"


def run(given: Namespace, *, transfer: str | None = None) -> int:
    """Train, evaluate, save; in every process of a launch, of which the first one speaks.

    Parameters
    ----------
    given : Namespace
        Of ``add_arguments``.
    transfer : str, optional
        What is taken where neither flags nor file name a transfer.
    """
    flags = {n: v for n, v in vars(given).items() if n not in ("config", "overwrite")}
    run_config = read_run(given.config, flags, transfer=transfer, zero_shot=True)
    found = check_world(run_config.processes)
    out = console(quiet=found.rank > 0)
    if run_config.output is not None:
        inputs = (*_read_by(run_config), run_config.encoder.name, given.config)
        check_output_folder(run_config.output, inputs=inputs, overwrite=True)
    settings = _settings(run_config)
    if from_main(lambda: already_done(run_config.output, settings, overwrite=given.overwrite)):
        known = f"{run_config.output} already holds the model of these settings: nothing to do."
        out.print(known, soft_wrap=True)
        return 0
    model = _named(run_config).model()
    training, testing = _tables(run_config)
    report = _audit(model, training, testing, out) if len(training[0]) else None
    model.fit(*training, unlabeled=read_unlabeled(run_config))
    if report is not None:
        model.audit_ = report  # the one that knows of the test data too
    _report(model, training, testing, out)
    if run_config.output is None:
        out.print("Not saved: give --output FOLDER to keep the model.")
        return 0
    from_main(lambda: str(model.save(str(run_config.output), notes={"run": settings})))
    run_config.forget_checkpoints()
    out.print(
        f"Saved and read back: {run_config.output}\n"
        f"Next: nlptl predict {run_config.output} DATA --output predictions.csv",
        soft_wrap=True,
    )
    return 0


def _named(run_config: RunConfig) -> RunConfig:
    """Name every class of the table where none of its rows is learnt from."""
    if run_config.shots != 0 or not run_config.data:
        return run_config
    return run_config.naming(read_labelled(run_config.data, run_config)[1])


def _audit(model: TextClassifier | TextRegressor, training: Any, testing: Any, out: Any) -> Any:
    """Look at the rows, and show what was found."""
    others = {"the test data": testing[0]} if testing else {}
    report = model.audit(*training, others=others)
    out.print(audit_table(report))
    show_warnings(report.warnings, out)
    return report


def _report(model: TextClassifier | TextRegressor, training: Any, testing: Any, out: Any) -> None:
    from nlptl.evaluation.intervals import share_interval
    from nlptl.reports.terminal_tables import choice_table, metrics_table

    if model.transfer_verdict_ is not None:
        out.print(choice_table(model.transfer_verdict_))
    known = model.coverage(training[0]) if len(training[0]) else None
    if known is not None:
        out.print(f"Word vectors: {known}.")
    if not testing:
        return
    figures, n = evaluate_sharded(model, *testing), len(testing[0])
    right = figures.get("accuracy")
    interval = None if right is None else share_interval(round(right * n), n)
    out.print(metrics_table(figures, interval=interval))


def _tables(run_config: RunConfig) -> tuple[tuple[Rows, list[Any]], tuple[Rows, list[Any]] | None]:
    """Read the training rows and, where there are some, rows to evaluate on."""
    if not run_config.data:
        named = run_config.test
        return (Rows([]), []), read_labelled(named, run_config) if named else None
    rows, labels = read_labelled(run_config.data, run_config)
    if run_config.test is not None:
        return few_of(rows, labels, run_config), read_labelled(run_config.test, run_config)
    if not run_config.test_share:
        return few_of(rows, labels, run_config), None
    train, test = _split(labels, run_config)
    if run_config.shots is not None:  # of few rows none is lost to the test
        train = _drawn(labels, run_config)
        others = np.setdiff1d(np.arange(len(labels)), train)
        rng = np.random.default_rng(run_config.seed)
        most = max(len(test), 1) if run_config.shots else len(others)
        test = np.sort(rng.permutation(others)[:most])
    learning = rows.take(train), [labels[i] for i in train]
    return learning, (rows.take(test), [labels[i] for i in test]) if len(test) else None


def read_labelled(source: str, run_config: RunConfig) -> tuple[Rows, list[Any]]:
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
    """Read the texts without labels, where some are named."""
    if run_config.unlabeled is None:
        return None
    return Corpus(
        tables.read_texts(
            run_config.unlabeled, run_config.text_column, drop_blank=run_config.drop_blank
        )
    )


def _split(labels: list[Any], run_config: RunConfig) -> tuple[IntArray, IntArray]:
    chosen: dict[str, Any] = {"test_share": run_config.test_share, "seed": run_config.seed}
    if run_config.numeric:
        return number_split(np.array(labels), **chosen)
    return stratified_split([str(label) for label in labels], **chosen)


def few_of(rows: Rows, labels: list[Any], run_config: RunConfig) -> tuple[Rows, list[Any]]:
    """Give as many rows of each class as were asked for."""
    if run_config.shots is None:
        return rows, labels
    some = _drawn(labels, run_config)
    return rows.take(some), [labels[i] for i in some]


def _drawn(labels: list[Any], run_config: RunConfig) -> IntArray:
    if not run_config.shots:
        return np.arange(0)
    return k_shot(labels, run_config.shots, seed=run_config.seed)


def _settings(run_config: RunConfig) -> dict[str, Any]:
    """Give the settings, and the content of the files they name."""
    return {**run_config.to_json(), "sha256": contents_of(_read_by(run_config))}


def _read_by(run_config: RunConfig) -> list[Any]:
    """Return the tables of the settings, and what else may be files that are read."""
    encoder = run_config.encoder
    return [run_config.data, run_config.test, run_config.unlabeled, *encoder.options.values()]


def contents_of(named: Iterable[Any]) -> dict[str, str]:
    """Give a name for what each of some files or folders holds, as far as they are there."""
    paths = [user_path(n) for n in named if isinstance(n, str) and n]
    return {str(path): _content(path) for path in paths if path.exists()}


def _content(path: Path) -> str:
    """Give a name for what a file, or a folder of files, holds."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return fingerprint({str(file.relative_to(path)): sha256_of(file) for file in files})


def already_done(output: str | None, settings: dict[str, Any], *, overwrite: bool) -> bool:
    """Tell whether the output holds this very model; refuse to replace another one silently.

    Raises
    ------
    StorageError
        If it holds a model of other settings, or something else.
    """
    folder = user_path(output) if output else None
    if folder is None or overwrite or not folder.is_dir() or not any(folder.iterdir()):
        return False
    kept = load_every(folder).notes_.get("run")
    if kept == settings:
        return True
    changed = [name for name in settings if (kept or {}).get(name) != settings[name]]
    raise StorageError(
        f"{str(folder)!r} holds a model trained with other settings (they differ in "
        f"{', '.join(changed)}). Choose another --output, or replace it with --overwrite."
    )


def _options_by_part() -> dict[str, dict[str, str]]:
    """Name every option of every class of each part, with the classes that have it."""
    found: dict[str, dict[str, str]] = {}
    for part in PARTS:
        owners: dict[str, list[str]] = {}
        for name in names_of(part):
            for option, default in options_of(find_class(part, name)).items():
                shown = f"{name} (default {default!r})".replace("%", "%%")
                owners.setdefault(option, []).append(shown)
        found[part] = {option: "; ".join(of) for option, of in owners.items()}
    return found

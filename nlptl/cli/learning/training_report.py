"""Print the audit of the training rows, the parts of the trained model and its metrics."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from nlptl.cli.console import show_warnings
from nlptl.cli.model_facts import about_model
from nlptl.cli.tables import LabelledRows
from nlptl.config.run import RunConfig
from nlptl.data.audit import AuditReport
from nlptl.data.corpus import Corpus
from nlptl.estimators.bulk.sharded import evaluate_sharded
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.evaluation.intervals import share_interval
from nlptl.reports.terminal_tables import audit_table, choice_table, facts_table, metrics_table

_FACTS = ("encoder", "transfer", "training_rows", "training_cost")
"""Facts about the model that are printed after training."""


def audited(
    model: TextClassifier | TextRegressor,
    training: LabelledRows,
    testing: LabelledRows | None,
    source: Mapping[str, Corpus] | None,
    out: Console,
) -> AuditReport:
    """Audit the rows and print the report."""
    others = {f"the source {name!r}": corpus.rows for name, corpus in (source or {}).items()}
    if testing:
        others["the test data"] = testing[0]
    report = model.audit(*training, others=others)
    out.print(audit_table(report))
    show_warnings(report.warnings, out)
    return report


def report_training(
    model: TextClassifier | TextRegressor,
    run_config: RunConfig,
    data: tuple[LabelledRows, LabelledRows | None],
    out: Console,
) -> None:
    """Evaluate a trained model and print its parts and its metrics."""
    training, testing = data
    about = about_model(model)
    out.print(facts_table({name: about[name] for name in _FACTS if name in about}))
    if model.transfer_verdict_ is not None:
        out.print(choice_table(model.transfer_verdict_))
    if run_config.source and model.transfer_ != model.transfer:
        out.print(f"Recommended transfer: {_named_transfers(model.transfer_)}.", soft_wrap=True)
    coverage = model.coverage(training[0]) if len(training[0]) else None
    if coverage is not None:
        out.print(f"Word vectors: {coverage}.")
    figures = model.history_.figures if model.history_ is not None else {}
    for name, values in figures.items():
        shown = ", then ".join(f"{value:.3g}" for value in values)
        out.print(f"{name.replace('_', ' ').capitalize()}: {shown}.", soft_wrap=True)
    if not testing:
        return
    metrics, n = evaluate_sharded(model, *testing), len(testing[0])
    out.print(_tested_on(run_config, len(training[0]), n), soft_wrap=True)
    accuracy = metrics.get("accuracy")
    interval = None if accuracy is None else share_interval(round(accuracy * n), n)
    out.print(metrics_table(metrics, interval=interval))


def _tested_on(run_config: RunConfig, n_training: int, n_test: int) -> str:
    """Return a line about the rows that the metrics are measured on."""
    if run_config.test is not None:
        return f"Measured on {n_test} rows of {run_config.test}."
    if run_config.shots is not None:
        others = f"that are not among the {n_training} training rows"
        return f"Measured on {n_test} rows of {run_config.data} {others}."
    return (
        f"Measured on {n_test} held-out rows of {run_config.data}. The model is trained on the "
        f"other {n_training} rows; --test-share 0 trains on all."
    )


def _named_transfers(transfer: object) -> str:
    """Return the transfers in use as a sentence reads them."""
    parts = transfer if isinstance(transfer, list) else [transfer]
    return " with ".join(repr(part) for part in parts)

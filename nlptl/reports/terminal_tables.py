"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from nlptl.data.audit import AuditReport
from nlptl.evaluation.class_metrics import ClassScore
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.judge import Verdict

_TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "matthews": "Matthews correlation",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mean_rank_error": "mean error in ranks",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "r2": "R²",
}


@dataclass(frozen=True)
class MethodResult:
    """One row of a comparison: what was tried and what came of it.

    Attributes
    ----------
    name : str
    carries : str
        What it carries over.
    accuracy : Interval
    seconds : float
        From texts to fitted model.
    """

    name: str
    carries: str
    accuracy: Interval
    seconds: float


_VARIANTS = ("joint", "frozen", "polished", "alone")


def comparison_table(title: str, rungs: Sequence[MethodResult]) -> Table:
    """Show what was tried, with accuracy, interval and time."""
    table = _table(title, "method", "carries over")
    for heading in ("accuracy", "95 % interval", "seconds"):
        table.add_column(heading, justify="right")
    best = max(rung.accuracy.value for rung in rungs)
    for rung in rungs:
        style = "bold" if rung.accuracy.value == best else ""
        interval = f"{rung.accuracy.low:.3f} to {rung.accuracy.high:.3f}"
        table.add_row(
            rung.name,
            rung.carries,
            f"{rung.accuracy.value:.3f}",
            interval,
            f"{rung.seconds:.1f}",
            style=style,
        )
    return table


def verdict_table(verdict: Verdict, *, metric: str, n_rows: int) -> Table:
    """Show what paired splits say of something, held against leaving it out."""
    n_splits = len(verdict.scores)
    table = _table(f"{n_rows} rows, {n_splits} splits: {verdict.name} {verdict.outcome}", "method")
    table.add_column(metric, justify="right")
    table.add_column("gain", justify="right")
    table.add_column("95 % interval", justify="right")
    means, gain = verdict.scores.mean(axis=0), verdict.gain
    table.add_row(verdict.against, f"{means[1]:.3f}", "", "")
    span = f"{gain.low:+.3f} to {gain.high:+.3f}"
    table.add_row(verdict.name, f"{means[0]:.3f}", f"{gain.value:+.3f}", span)
    return table


def choice_table(choice: Any) -> Table:
    """Show what ``Auto`` tried, what the rows said of it, and what was chosen."""
    table = _table(f"Chosen: {choice.name}", "tried", "on the rows at hand")
    for heading in ("gain", "95 % interval", "used", "seconds"):
        table.add_column(heading, justify="right")
    for trial in choice.trials:
        verdict = trial.verdict
        gain = "" if verdict is None else f"{verdict.gain.value:+.3f}"
        span = "" if verdict is None else f"{verdict.gain.low:+.3f} to {verdict.gain.high:+.3f}"
        says = () if verdict is None else (verdict.outcome, verdict.prior_note)
        said = trial.note or ", ".join(filter(None, says))
        used = "yes" if trial.used else "no"
        table.add_row(trial.name, said, gain, span, used, f"{trial.seconds:.1f}")
    return table


def comparisons_table(
    standings: Mapping[str, Any], tested: Mapping[str, Mapping[str, float]]
) -> Table:
    """Show what learning together did to each task, and what was kept.

    The gain is that of the joint encoder over the task alone.

    Parameters
    ----------
    standings : mapping of str to TaskComparison
    tested : mapping of str to figures
        Of test rows, where there are some.
    """
    table = _table("Tasks, on rows held out", "task", "figure")
    for heading in (*_VARIANTS, "gain"):
        table.add_column(heading, justify="right")
    table.add_column("together")
    table.add_column("kept")
    table.add_column("test", justify="right")
    for name, one in standings.items():
        figures = [f"{one.figures[v]:.3f}" if v in one.figures else "" for v in _VARIANTS]
        gain = one.gains.get("joint")
        figure = tested.get(name, {}).get(one.metric)
        found = "" if figure is None else f"{figure:.3f}"
        told = "" if gain is None else str(gain)
        table.add_row(name, one.metric, *figures, told, one.outcome, one.kept, found)
    return table


def affinity_table(affinity: Any) -> Table:
    """Show whether tasks pulled the weights they share the same way.

    Parameters
    ----------
    affinity : Affinity
        The mean cosine over epochs is shown; below 0 tasks worked against each other.
    """
    table = _table("Cosine of gradients, mean over epochs", "task")
    for name in affinity.names:
        table.add_column(name, justify="right")
    for place, (name, row) in enumerate(zip(affinity.names, affinity.mean, strict=True)):
        shown = [f"{value:+.2f}" if i != place else "" for i, value in enumerate(row)]
        table.add_row(name, *shown)
    return table


def costs_table(costs: Mapping[str, Mapping[str, float]]) -> Table:
    """Show what tasks cost together, and what a model each would.

    Parameters
    ----------
    costs : mapping of str to mapping
        As ``MultiTaskModel.costs`` gives it.
    """
    table = _table("Costs of an answer in every task", "")
    for way in costs:
        table.add_column(way, justify="right")
    for name in next(iter(costs.values())):
        table.add_row(name, *(f"{own[name]:,.0f}" for own in costs.values()))
    return table


def retrieval_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """Show for each language how often the nearest sentence is the translation.

    Parameters
    ----------
    before, after : mapping of str to Retrieval
        By the teacher, and by the student.
    """
    table = _table("Nearest sentence is the translation, on pairs held out", "language")
    for heading in ("pairs", "before", "after"):
        table.add_column(heading, justify="right")
    for language, found in after.items():
        was = before[language]
        table.add_row(language, str(found.rows), f"{was.mean:.1%}", f"{found.mean:.1%}")
    return table


def files_table(publication: Any) -> Table:
    """Show the files of a publication with their sizes and the beginnings of their hashes."""
    table = _table(f"{publication.repo}: {publication.size / 2**20:,.1f} MiB", "file")
    table.add_column("bytes", justify="right")
    table.add_column("sha256")
    for one in publication.files:
        table.add_row(one.path, f"{one.size:,}", one.sha256[:16])
    return table


def metrics_table(figures: dict[str, float], *, interval: Interval | None = None) -> Table:
    """Show the figures of merit, accuracy with its interval."""
    table = _table("Figures on the given rows", "metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in figures.items():
        shown = interval is not None and name == "accuracy"
        span = f"{interval.low:.3f} to {interval.high:.3f}" if shown and interval else ""
        table.add_row(_TITLES.get(name, name), f"{value:.3f}", span)
    return table


def classes_table(rows: Sequence[ClassScore]) -> Table:
    """Show precision, recall and F1 of each class."""
    table = _table("By class", "class")
    for heading in ("precision", "recall", "F1", "rows"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(row.name, *numbers, str(row.rows))
    return table


def audit_table(report: AuditReport) -> Table:
    """Show what an audit found."""
    table = _table("Audit of the training data", "what")
    table.add_column("found", justify="right")
    counts = report.class_counts
    facts = {
        "rows": str(report.n_rows),
        "classes": str(len(counts)),
        "rows a class, fewest to most": f"{min(counts.values())} to {max(counts.values())}"
        if counts
        else "no labels",
        "rows without text": str(report.empty),
        "rows that repeat another": str(report.repeated),
        "pairs nearly the same": "not looked for" if report.near is None else str(report.n_near),
        "texts with different labels": str(report.n_conflicts),
    }
    if report.unlabelled:
        facts["rows without a label"] = str(report.unlabelled)
    if report.window:
        facts["longest text"] = f"{report.longest} tokens"
        facts[f"texts over {report.window} tokens"] = (
            f"{report.n_cut} ({report.share_beyond:.1%} of tokens beyond)"
        )
    for name, n in report.leaked.items():
        near = report.nearly_leaked.get(name)
        nearly = "" if near is None else f", {near} more nearly"
        facts[f"rows of {name} also in training"] = f"{n}{nearly}"
    for what, found in facts.items():
        table.add_row(what, found)
    return table


def predictions_table(
    texts: Sequence[str], labels: Sequence[object], sure: Sequence[float] | None = None
) -> Table:
    """Show texts with the label predicted and its probability, or with the number predicted."""
    table = _table("Predictions on new texts", "text")
    if sure is None:
        table.add_column("number", justify="right")
        for text, number in zip(texts, labels, strict=True):
            table.add_row(text, f"{number:.4g}")
        return table
    table.add_column("label")
    table.add_column("probability", justify="right")
    for text, label, share in zip(texts, labels, sure, strict=True):
        table.add_row(text, str(label), f"{share:.2f}")
    return table


def _table(title: str, *left: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in left:
        table.add_column(heading)
    return table

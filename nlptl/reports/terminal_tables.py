"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.table import Table

from nlptl.data.audit import AuditReport
from nlptl.evaluation.choice import BASELINE, Choice
from nlptl.evaluation.class_metrics import ClassScore
from nlptl.evaluation.curve_scores import MIN_SIZES, CurveScores, LabelCount
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.task_affinity import Affinity
from nlptl.evaluation.verdict import Verdict, note_on_prior

if TYPE_CHECKING:
    import pandas as pd

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

_MOST_SHOWN = 20
"""Entries of a list or a mapping that a table of facts shows."""


@dataclass(frozen=True)
class MethodResult:
    """Result of one method, a row of ``comparison_table``.

    Attributes
    ----------
    name : str
        Name of the method.
    carries : str
        What the method carries over.
    accuracy : Interval
        Accuracy with its interval.
    seconds : float
        Duration from texts to the fitted model.
    """

    name: str
    carries: str
    accuracy: Interval
    seconds: float


class RetrievalFigures(Protocol):
    """Accuracy of translation retrieval for one language, a row of ``retrieval_table``."""

    @property
    def rows(self) -> int:
        """Number of pairs."""
        ...

    @property
    def mean(self) -> float:
        """Mean accuracy of both directions."""
        ...


class FileFigures(Protocol):
    """A published file, a row of ``files_table``."""

    @property
    def path(self) -> str:
        """Path in the repository."""
        ...

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        ...


class PublishedFiles(Protocol):
    """A publication with its files."""

    @property
    def repo(self) -> str:
        """Name of the repository."""
        ...

    @property
    def files(self) -> Sequence[FileFigures]:
        """The files."""
        ...

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        ...


_VARIANTS = ("joint", "frozen", "polished", "alone")


def comparison_table(title: str, results: Sequence[MethodResult]) -> Table:
    """Build a table of methods with accuracy, interval and time."""
    table = _table(title, "method", "carries over")
    for heading in ("accuracy", "95 % interval", "seconds"):
        table.add_column(heading, justify="right")
    best = max(result.accuracy.value for result in results)
    for result in results:
        style = "bold" if result.accuracy.value == best else ""
        interval = f"{result.accuracy.low:.3f} to {result.accuracy.high:.3f}"
        table.add_row(
            result.name,
            result.carries,
            f"{result.accuracy.value:.3f}",
            interval,
            f"{result.seconds:.1f}",
            style=style,
        )
    return table


def verdict_table(verdict: Verdict) -> Table:
    """Build a table of methods, the highest score first, with gains over the baseline and costs."""
    board, n_splits = verdict.leaderboard(), len(verdict.scores)
    title = f"{verdict.n_rows} rows, {n_splits} splits, compared with {verdict.against}"
    table = _table(title, "method")
    columns = {
        verdict.metric: (verdict.metric, "{:.3f}"),
        "gain": ("gain", "{:+.3f}"),
        "low": ("from", "{:+.3f}"),
        "high": ("to", "{:+.3f}"),
        "outcome": ("", "{}"),
        "fit_seconds": ("fit, s", "{:.1f}"),
        "score_seconds": ("predict, s", "{:.2f}"),
        "mebibytes": ("MiB", "{:.1f}"),
    }
    columns = {name: column for name, column in columns.items() if name in board}
    for heading, _ in columns.values():
        table.add_column(heading, justify="right" if heading else "left")
    for row in board.to_dict("records"):
        cells = [
            "" if row[name] is None or row[name] != row[name] else template.format(row[name])
            for name, (_, template) in columns.items()
        ]
        table.add_row(str(row["method"]), *cells)
    return table


def curve_table(curve: CurveScores) -> Table:
    """Build a table of scores with their intervals: a row per number of labels."""
    n_draws = len(curve.scores)
    table = _table(f"Score by number of labels, {n_draws} draws", "labels")
    for method in curve.methods:
        table.add_column(method, justify="right")
    for size, part in curve.frame().groupby("labels"):
        cells = [f"{row.score:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in part.itertuples()]
        table.add_row(f"{size:,}", *cells)
    return table


def curve_summary_table(curve: CurveScores) -> Table:
    """Build a table of start, slope, asymptote and break-even number of labels: a row per method.

    Each has its interval. The figures of a power law need four sizes and more.
    """
    figures: dict[str, Callable[[str], Interval | LabelCount]] = {
        f"gain with {curve.sizes[0]} labels": curve.start
    }
    if len(curve.sizes) > 1:
        figures["per doubling"] = curve.slope
    if len(curve.sizes) >= MIN_SIZES:
        figures |= {"approaches": curve.asymptote, "break-even labels": curve.break_even}
    table = _table(f"Compared with {curve.methods[-1]}", "method")
    for heading in figures:
        table.add_column(heading, justify="right")
    for method in curve.methods:
        skipped = (curve.start, curve.break_even) if method == curve.methods[-1] else ()
        cells = ["" if figure in skipped else str(figure(method)) for figure in figures.values()]
        table.add_row(method, *cells)
    return table


def class_counts_table(report: AuditReport) -> Table:
    """Build a table of the most frequent classes with their rows."""
    table = _table("Rows per class", "class")
    table.add_column("rows", justify="right")
    shown, counts = report.frequent_classes, report.class_counts
    for name, n_rows in shown.items():
        table.add_row(name, str(n_rows))
    if len(shown) < len(counts):
        n_others = sum(counts.values()) - sum(shown.values())
        table.add_row(f"({len(counts) - len(shown)} other classes)", str(n_others))
    return table


def facts_table(facts: Mapping[str, object]) -> Table:
    """Build a table of names and values; long mappings and lists are shortened."""
    table = Table(show_header=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    for name, value in facts.items():
        parts: Sequence[str] = [str(value)]
        if isinstance(value, Mapping):
            parts = [f"{key}: {number}" for key, number in value.items()]
        elif isinstance(value, list):
            parts = [str(item) for item in value]
        hidden = len(parts) - _MOST_SHOWN
        more = f", and {hidden} more" if hidden > 0 else ""
        table.add_row(name.replace("_", " "), ", ".join(parts[:_MOST_SHOWN]) + more)
    return table


def choice_table(choice: Choice) -> Table:
    """Build a table of the methods that ``Auto`` tried, their results and its choice."""
    used = f" ({choice.time_used})" if choice.time_used else ""
    title = f"Chosen: {choice.name}{used}"
    table = _table(title, "method", "result on splits of the training rows")
    table.caption, table.caption_justify = choice.note or None, "left"
    for heading in ("gain", "95 % interval", "used", "seconds"):
        table.add_column(heading, justify="right")
    seconds = [choice.seconds_of(trial) for trial in choice.trials]
    baseline = sum(share for _, share in seconds)
    if baseline:
        is_used = "yes" if choice.name == BASELINE else "no"
        table.add_row(BASELINE, "baseline of the comparison", "", "", is_used, f"{baseline:.1f}")
    for trial, (trial_seconds, _) in zip(choice.trials, seconds, strict=True):
        verdict = trial.verdict
        gain = "" if verdict is None else f"{verdict.gain.value:+.3f}"
        span = "" if verdict is None else f"{verdict.gain.low:+.3f} to {verdict.gain.high:+.3f}"
        parts = () if verdict is None else (verdict.outcome, note_on_prior(verdict))
        text = trial.note or ", ".join(filter(None, parts))
        is_used = "yes" if trial.used else "no"
        table.add_row(trial.name, text, gain, span, is_used, f"{trial_seconds:.1f}")
    return table


def comparisons_table(
    comparisons: Mapping[str, Verdict], test_metrics: Mapping[str, Mapping[str, float]]
) -> Table:
    """Build a table of the effect of joint training on each task and of the kept variant.

    The gain is the metric of the joint encoder minus that of training on the task alone.

    Parameters
    ----------
    comparisons : mapping of str to Verdict
        Verdict on the variants on held-out rows, by task.
    test_metrics : mapping of str to mapping
        Metrics on test rows, for tasks that have test rows.
    """
    table = _table("Tasks on held-out rows", "task", "metric")
    for heading in (*_VARIANTS, "gain"):
        table.add_column(heading, justify="right")
    table.add_column("joint training")
    table.add_column("kept")
    table.add_column("test", justify="right")
    for name, task in comparisons.items():
        figures = [f"{task.figures[v]:.3f}" if v in task.figures else "" for v in _VARIANTS]
        gain = task.gains.get("joint")
        figure = test_metrics.get(name, {}).get(task.metric)
        on_test = "" if figure is None else f"{figure:.3f}"
        gain_text = "" if gain is None else str(gain)
        table.add_row(name, task.metric, *figures, gain_text, task.outcome, task.kept, on_test)
    return table


def affinity_table(affinity: Affinity) -> Table:
    """Build a table of the agreement of the task gradients on the shared weights.

    Parameters
    ----------
    affinity : Affinity
        The table shows the mean cosine over epochs. Below 0, tasks work against each other.
    """
    table = _table("Cosine of gradients, mean over epochs", "task")
    for name in affinity.names:
        table.add_column(name, justify="right")
    for index, (name, row) in enumerate(zip(affinity.names, affinity.mean, strict=True)):
        shown = [f"{value:+.2f}" if i != index else "" for i, value in enumerate(row)]
        table.add_row(name, *shown)
    return table


def costs_table(costs: Mapping[str, Mapping[str, float]]) -> Table:
    """Build a table of the cost of a joint model and of one model per task.

    Parameters
    ----------
    costs : mapping of str to mapping
        Result of ``MultiTaskModel.costs``.
    """
    table = _table("Cost of predicting all tasks", "")
    for way in costs:
        table.add_column(way, justify="right")
    for name in next(iter(costs.values())):
        table.add_row(name, *(f"{cost[name]:,.0f}" for cost in costs.values()))
    return table


def retrieval_table(
    before: Mapping[str, RetrievalFigures], after: Mapping[str, RetrievalFigures]
) -> Table:
    """Build a table of how often the nearest sentence is the translation, per language.

    Parameters
    ----------
    before, after : mapping of str to Retrieval
        Results of the teacher and of the student.
    """
    table = _table("Nearest sentence is the translation (held-out pairs)", "language")
    for heading in ("pairs", "before", "after"):
        table.add_column(heading, justify="right")
    for language, student in after.items():
        teacher = before[language]
        table.add_row(language, str(student.rows), f"{teacher.mean:.1%}", f"{student.mean:.1%}")
    return table


def files_table(publication: PublishedFiles) -> Table:
    """Build a table of the files of a publication with sizes and abbreviated hashes."""
    table = _table(f"{publication.repo}: {publication.size / 2**20:,.1f} MiB", "file")
    table.add_column("bytes", justify="right")
    table.add_column("sha256")
    for file in publication.files:
        table.add_row(file.path, f"{file.size:,}", file.sha256[:16])
    return table


def metrics_table(figures: dict[str, float], *, interval: Interval | None = None) -> Table:
    """Build a table of metrics. Accuracy is shown with its interval."""
    table = _table("Evaluation", "metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in figures.items():
        shown = interval is not None and name == "accuracy"
        span = f"{interval.low:.3f} to {interval.high:.3f}" if shown and interval else ""
        table.add_row(_TITLES.get(name, name), f"{value:.3f}", span)
    return table


def classes_table(rows: Sequence[ClassScore]) -> Table:
    """Build a table of precision, recall and F1 per class."""
    table = _table("Metrics per class", "class")
    for heading in ("precision", "recall", "F1", "rows"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(row.name, *numbers, str(row.rows))
    return table


def confused_table(confused: pd.DataFrame, *, limit: int = 10) -> Table:
    """Build a table of the classes that are confused most often."""
    rest = len(confused) - limit
    title = "Confused classes" if rest <= 0 else f"Confused classes, the first {limit}"
    first, *others = confused.columns
    table = _table(title, str(first))
    for heading in others:
        table.add_column(str(heading), justify="left" if heading == "predicted" else "right")
    for line in confused.head(limit).itertuples(index=False):
        table.add_row(*(str(cell) for cell in line))
    return table


def audit_table(report: AuditReport) -> Table:
    """Build a table of the results of an audit."""
    table = _table("Audit of the training data", "check")
    table.add_column("result", justify="right")
    counts = report.class_counts
    facts = {
        "rows": str(report.n_rows),
        "classes": str(len(counts)),
        "rows per class, fewest to most": f"{min(counts.values())} to {max(counts.values())}"
        if counts
        else "no labels",
        "rows without text": str(report.empty),
        "rows that repeat an earlier row": str(report.repeated),
        "pairs of near duplicates": "not checked" if report.near is None else str(report.n_near),
        "texts with different labels": str(report.n_conflicts),
    }
    if report.unlabelled:
        facts["rows without a label"] = str(report.unlabelled)
    if report.window:
        facts["longest text"] = f"{report.longest} tokens"
        facts[f"texts over {report.window} tokens"] = (
            f"{report.n_cut} ({report.share_beyond:.1%} of tokens beyond this length)"
        )
    for name, n in report.leaked.items():
        near = report.nearly_leaked.get(name)
        nearly = "" if near is None else f", plus {near} near duplicates"
        facts[f"rows of {name} also in training"] = f"{n}{nearly}"
    for check, result in facts.items():
        table.add_row(check, result)
    return table


def predictions_table(
    texts: Sequence[str],
    labels: Sequence[object],
    probabilities: Sequence[float] | None = None,
    further: Mapping[str, Sequence[object]] | None = None,
) -> Table:
    """Build a table of texts with the predicted label and its probability, or the number.

    The columns of ``further`` stand after these.
    """
    table = _table("Predictions on new texts", "text")
    if probabilities is None:
        table.add_column("number", justify="right")
        for text, number in zip(texts, labels, strict=True):
            table.add_row(text, f"{number:.4g}")
        return table
    columns = {"label": labels, "probability": probabilities, **(further or {})}
    numeric = [heading.startswith("probability") for heading in columns]
    for heading, is_number in zip(columns, numeric, strict=True):
        table.add_column(heading, justify="right" if is_number else "left")
    for text, *cells in zip(texts, *columns.values(), strict=True):
        shown = (
            f"{cell:.2f}" if is_number else str(cell)
            for cell, is_number in zip(cells, numeric, strict=True)
        )
        table.add_row(text, *shown)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table

"""Write the tables of the pages that are generated from the ledgers of the benchmarks.

A table is between two comments of a page: ``<!-- table NAME -->`` and ``<!-- end -->``.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from nlptl.evaluation.intervals import paired_interval

HERE = Path(__file__).parent
LEDGERS = HERE.parent / "recipes" / "benchmarks"
PAGES = ("benchmarks.md", "domains.md")

FEW_SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
FEW_METHODS = ("frozen", "SetFit", "Contrastive", "Auto")
LARGE = "banking77"
"""SetFit has one draw on this set, and was stopped there."""

LOSSES = (
    "source only",
    "ContinuedPretraining",
    "CORAL",
    "MMD",
    "ClassConfusion",
    "DomainAdversarial",
    "DomainAdversarial, conditional",
)
PAIRS = (
    ("books", "kitchen"),
    ("dvd", "electronics"),
    ("electronics", "books"),
    ("kitchen", "dvd"),
)


def main():
    """Write the tables into the pages."""
    for page in PAGES:
        path = HERE / page
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text):
    """Return the text of a page with new tables."""
    pattern = re.compile(r"(<!-- table (.*?) -->).*?(<!-- end -->)", flags=re.S)
    return pattern.sub(lambda match: f"{match[1]}\n\n{TABLES[match[2]]()}\n\n{match[3]}", text)


def few_label_accuracy():
    """Return the table of accuracies with 8 labels per class, on the draws of all methods.

    The gains are those over SetFit, in points.
    """
    accuracy = few_label_figures("accuracy")
    cells = {}
    for name in FEW_SETS:
        draws = set.intersection(*(set(accuracy[name, method]) for method in FEW_METHODS))
        for method in FEW_METHODS:
            cells[name, method] = np.array([accuracy[name, method][k] for k in sorted(draws)])
    for method in FEW_METHODS:
        others = [cells[name, method] for name in FEW_SETS if name != LARGE]
        cells[f"mean without {LARGE}", method] = np.mean(others, axis=0)
    rows = []
    for name in (*FEW_SETS, f"mean without {LARGE}"):
        peer = cells[name, "SetFit"]
        row = [name, short(cells[name, "frozen"].mean()), short(peer.mean())]
        for method in ("Contrastive", "Auto"):
            ours = cells[name, method]
            row += [short(ours.mean()), points(ours - peer)]
        rows.append(row)
    return table(["set", "frozen", "SetFit", "`Contrastive()`", "gain", "`Auto()`", "gain"], rows)


def few_label_seconds():
    """Return the table of the seconds of a fit with 8 labels per class."""
    seconds = few_label_figures("seconds", of="seconds")
    names = [name for name in FEW_SETS if name != LARGE]
    rows = [[n, *(f"{seconds[n, m][0]:.1f}" for m in FEW_METHODS)] for n in names]
    totals = [sum(seconds[name, method][0] for name in names) for method in FEW_METHODS]
    rows.append(["sum", *(f"{total:.0f}" for total in totals)])
    return table(["set", "frozen", "SetFit", "`Contrastive()`", "`Auto()`"], rows)


def few_label_figures(figure, *, of=None):
    """Return a figure for each set and method, as a dict per draw."""
    figures = defaultdict(dict)
    for entry in ledger("few_labels/kept/fewshot.jsonl"):
        # An accuracy of the timed draw counts as well, but not twice.
        if "method" in entry and entry.get("of") in {of, "seconds"}:
            figures[entry["set"], entry["method"]].setdefault(entry["seed"], entry[figure])
    return figures


def losses_while_tuning():
    """Return the accuracies of losses on unlabelled texts while the encoder is tuned."""
    figures = {}
    for entry in ledger("domains/kept/tuned.jsonl"):
        if entry.get("part") != "tuned" or entry["rows"] != 1600 or entry["seed"] != 0:
            continue
        if entry["method"] == "source only":
            targets = {target for _, target in PAIRS} & entry.keys()
            figures |= {(entry["source"], t, "source only"): entry[t] for t in targets}
        else:
            figures[entry["source"], entry["target"], entry["method"]] = entry["accuracy"]
    rows = []
    for method in LOSSES:
        cells = [figures.get((*pair, method)) for pair in PAIRS]
        base = [figures[(*pair, "source only")] for pair in PAIRS]
        gains = [a - b for a, b in zip(cells, base, strict=True) if a is not None]
        gain = "-" if method == "source only" or not gains else f"{np.mean(gains):+.3f}"
        rows.append([method, *("not measured" if c is None else f"{c:.4f}" for c in cells), gain])
    pairs = [f"{source} to {target}" for source, target in PAIRS]
    return table(["added to `FullFineTune()`", *pairs, "mean gain"], rows)


TABLES = {
    "few-label accuracy": few_label_accuracy,
    "few-label seconds": few_label_seconds,
    "losses while tuning": losses_while_tuning,
}


def ledger(name):
    """Return the lines of a ledger, from its JSON."""
    lines = (LEDGERS / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def table(header, rows):
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def short(accuracy):
    """Return an accuracy such as .727."""
    return f"{accuracy:.3f}".removeprefix("0")


def points(differences):
    """Return the mean of differences in points, with its interval if there are several."""
    if len(differences) == 1:
        return f"{100 * differences[0]:+.1f} (one draw)"
    interval = paired_interval(differences)
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.value:+.1f} [{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()

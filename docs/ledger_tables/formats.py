"""Reading of ledgers, and the form of cells and tables."""

import json
from pathlib import Path

import numpy as np

from nlptl.evaluation.intervals import paired_interval

LEDGERS = Path(__file__).parents[2] / "recipes" / "benchmarks"


def ledger(name):
    """Return the figures of a ledger, from its JSON."""
    lines = (LEDGERS / name).read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if "code" not in entry]  # leaves out the lines about runs


def table(header, rows):
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rounded(figure):
    """Return a figure with three digits. A half is rounded up, whatever its last binary digit."""
    return f"{figure + 1e-9:.3f}"


def short(accuracy):
    """Return an accuracy such as .727."""
    return rounded(accuracy).removeprefix("0")


def points(differences):
    """Return the mean of differences in points, with its interval if there are several."""
    if len(differences) == 1:
        return f"{100 * differences[0]:+.1f} (one draw)"
    interval = paired_interval(np.asarray(differences))
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.value:+.1f} [{low:+.1f}, {high:+.1f}]"

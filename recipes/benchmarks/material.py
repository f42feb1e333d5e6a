"""What the benchmarks share: real data, repeated timing, and the way results are printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from nlptl import k_shot

if "OMP_WAIT_POLICY" not in os.environ and __name__ != "__main__":
    # The policy is read when torch is loaded, which a script may have done: start it again.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

SIX = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "reuters_r8")


def folder(variable: str) -> Path:
    """Give the folder that an environment variable names, or leave with a sentence."""
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        sys.exit(f"Set {variable} to the folder of the real material (see docs/benchmarks.md).")
    return Path(value)


def read(name: str, split: str) -> pd.DataFrame:
    """Read one split of one data set."""
    return pd.read_parquet(folder("NLPTL_DATA") / name / f"{split}.parquet")


def test_rows(name: str, most: int = 1000) -> pd.DataFrame:
    """Read the test split, or a fixed sample of it."""
    rows = read(name, "test")
    return rows if len(rows) <= most else rows.sample(most, random_state=0)


def training_pool(name: str, most: int = 3000) -> pd.DataFrame:
    """Read the training rows that seeds draw from: all, or a fixed sample of them."""
    rows = read(name, "train")
    return rows if len(rows) <= most else rows.sample(most, random_state=0)


def drawn(n_rows: int, n: int, seed: int) -> np.ndarray:
    """Draw n row numbers at random."""
    return np.random.default_rng(seed).permutation(n_rows)[:n]


def few_and_others(name: str, shots: int, n_others: int, seed: int) -> list[tuple[list, list]]:
    """Draw rows of each class from a training split, and others: texts and labels of both.

    Of several languages the English rows are taken.
    """
    pool = read(name, "train")
    if "language" in pool:
        pool = pool[pool["language"] == "en"]
    texts, labels = pool["text"].to_numpy(), pool["label_text"].to_numpy()
    few = k_shot(labels.tolist(), shots, seed=seed)
    rest = np.setdiff1d(np.arange(len(pool)), few)
    others = np.random.default_rng(seed).permutation(rest)[:n_others]
    return [(texts[some].tolist(), labels[some].tolist()) for some in (few, others)]


def alternate(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Time several callables in turn, so that a drifting machine is the same to all."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def median_ratio(slower: list[float], faster: list[float]) -> float:
    """Give the median of the ratios, repeat by repeat."""
    return float(np.median(np.array(slower) / np.array(faster)))


@dataclass
class Report:
    """Figures, and claims about them."""

    name: str
    claims: list[tuple[str, bool]] = field(default_factory=list)

    def record(self, **figures: Any) -> None:
        """Print one line of JSON."""
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}
        sys.stdout.write(json.dumps({"benchmark": self.name, **rounded}) + "\n")
        sys.stdout.flush()

    def table(self, title: str, rows: list[dict[str, Any]]) -> None:
        """Print rows as a table."""
        table = Table(title=title, title_justify="left")
        for heading in rows[0]:
            table.add_column(heading, justify="left" if heading == next(iter(rows[0])) else "right")
        for row in rows:
            table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
        Console(width=180, highlight=False).print(table)

    def claim(self, sentence: str, holds: Any) -> None:
        """Note whether a claim holds."""
        self.claims.append((sentence, bool(holds)))

    def finish(self) -> int:
        """Print the claims; give 0 only when all of them hold."""
        for sentence, holds in self.claims:
            sys.stdout.write(f"{'holds' if holds else 'FAILS'}: {sentence}\n")
        self.record(holds=all(holds for _, holds in self.claims))
        return 0 if all(holds for _, holds in self.claims) else 1


class Kept:
    """Figures in a file, so that what was measured once is not measured again.

    Several runs, one after the other or side by side, may add to one file; the last of them
    finds everything there and judges the whole.

    Parameters
    ----------
    path : str or None
        Lines of JSON; None keeps nothing.
    """

    def __init__(self, path: str | None) -> None:
        self.path = None if path is None else Path(path)

    def once(self, measure: Callable[[], float], **of: Any) -> float:
        """Give the figure of something, measured now where the file does not have it.

        Parameters
        ----------
        measure : callable
            Gives the figure.
        **of
            What it is the figure of: set, seed, method.
        """
        return self.several(lambda: {"figure": float(measure())}, **of)["figure"]

    def several(self, measure: Callable[[], dict[str, float]], **of: Any) -> dict[str, float]:
        """Give several figures of something that are measured together, by their names."""
        for line in self._lines():
            told = json.loads(line)
            if {name: told.get(name) for name in of} == of:
                return {name: value for name, value in told.items() if name not in of}
        figures = measure()
        line = json.dumps({**of, **figures})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(line + "\n")
        return figures

    def _lines(self) -> list[str]:
        found = self.path is not None and self.path.exists()
        return self.path.read_text().splitlines() if found else []


def arguments(
    description: str | None,
    *,
    in_parts: bool = False,
    only: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> argparse.Namespace:
    """Read ``--quick``, and for benchmarks in parts what to run and where figures are kept."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a run of at most ten minutes")
    if in_parts:
        parser.add_argument("--kept", metavar="FILE", help="figures of earlier runs, and of this")
        parser.add_argument("--sets", nargs="*", metavar="NAME", help="these data sets only")
        parser.add_argument("--seeds", nargs="*", type=int, metavar="N", help="these seeds only")
    if only:
        parser.add_argument("--only", choices=only, help="this part alone")
    if variants:
        known = list(variants)
        parser.add_argument("--variants", nargs="*", default=known, choices=known, metavar="NAME")
    return parser.parse_args()

"""Shared parts of the benchmarks: real data, repeated timing, ledgers and printed reports."""

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
from ledger import Kept
from rich.console import Console
from rich.table import Table

from nlptl import k_shot

if "OMP_WAIT_POLICY" not in os.environ and __name__ != "__main__":
    # The policy is read when torch is loaded, which a script may have done: start it again.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

SIX = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "reuters_r8")


def folder(variable: str) -> Path:
    """Return the folder that an environment variable names, or exit with a message."""
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
    """Draw rows per class from a training split, and other rows: texts and labels of both.

    If the split has several languages, only its English rows are used.
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
    """Time several callables in turn, so that slow drifts of the machine affect all equally."""
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
    """Return the median of the ratios, repeat by repeat."""
    return float(np.median(np.array(slower) / np.array(faster)))


@dataclass
class Report:
    """Print figures, and claims about them."""

    name: str
    claims: list[tuple[str, bool]] = field(default_factory=list)
    ledgers: list[Kept] = field(default_factory=list)

    def ledger(self, options: argparse.Namespace) -> Kept:
        """Open the ledger of the command line. ``finish`` reports its older figures."""
        self.ledgers.append(Kept(options.kept, reuse_older=options.reuse_older))
        return self.ledgers[-1]

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
        """Record a claim, and if it holds."""
        self.claims.append((sentence, bool(holds)))

    def finish(self) -> int:
        """Print the claims; return 0 only if all of them hold."""
        for note in filter(None, (ledger.note() for ledger in self.ledgers)):
            sys.stdout.write(f"note: {note}\n")
        for sentence, holds in self.claims:
            sys.stdout.write(f"{'holds' if holds else 'FAILS'}: {sentence}\n")
        self.record(holds=all(holds for _, holds in self.claims))
        return 0 if all(holds for _, holds in self.claims) else 1


def arguments(
    description: str | None,
    *,
    in_parts: bool = False,
    only: Sequence[str] = (),
    variants: Sequence[str] = (),
    keeps_models: bool = False,
    other_python: bool = False,
) -> argparse.Namespace:
    """Read ``--quick`` and, for benchmarks in parts, the parts to run and the ledger."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a run of at most ten minutes")
    if in_parts:
        parser.add_argument("--kept", metavar="FILE", help="ledger: reuse its figures, add others")
        parser.add_argument(
            "--reuse-older",
            action="store_true",
            help="reuse figures of other code, another machine or other versions as well",
        )
        parser.add_argument("--sets", nargs="*", metavar="NAME", help="these data sets only")
        parser.add_argument("--seeds", nargs="*", type=int, metavar="N", help="these seeds only")
    if keeps_models:
        parser.add_argument("--models", metavar="FOLDER", help="keep tuned models for later runs")
    if other_python:
        parser.add_argument("--peer", metavar="PYTHON", help="Python of the environment of a peer")
    if only:
        parser.add_argument("--only", choices=only, help="this part alone")
    if variants:
        names = list(variants)
        parser.add_argument("--variants", nargs="*", default=names, choices=names, metavar="NAME")
    return parser.parse_args()

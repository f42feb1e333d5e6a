"""Claim: encoding, prediction and tuning take at most 1.05 times as long as in an older checkout.

    git worktree add OLD COMMIT
    python recipes/benchmarks/package/before_after.py OLD [--quick] [--only WORK ...]

One process per checkout does the same work on the shipped support requests, one after the other
in turn, nine times (--quick: three), and the median of the ratios counts. Threads are those of
OMP_NUM_THREADS; one gives the steadiest figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report

MAX_RATIO = 1.05
WORK = (
    "encode transformer",
    "encode static",
    "predict words",
    "predict static",
    "predict frozen",
    "tune",
)

CHILD = """
import json, sys, time
from nlptl import FullFineTune, StaticEncoder, TextClassifier, TfidfEncoder, TrainingConfig
from nlptl import TransformerEncoder, support_requests

texts, labels = support_requests()
many = texts * 160
# The setting was called dtype until 29 November 2026.
fields = TransformerEncoder.__dataclass_fields__
full = {"precision" if "precision" in fields else "dtype": "float32"}
transformer = TransformerEncoder(cache=None, **full)
static = StaticEncoder()

def predictor(encoder, texts):
    model = TextClassifier(encoder, seed=0).fit(texts[::4], labels[::4])
    return lambda rows: model.predict(rows)

tuned = TextClassifier(
    TransformerEncoder(**full),
    transfer=FullFineTune(),
    training=TrainingConfig(max_steps=5, quiet=True),
)
words, vectors, frozen = (predictor(e, texts) for e in (TfidfEncoder(), static, transformer))
runs = {
    "encode transformer": lambda: transformer.transform(texts),
    "encode static": lambda: static.transform(many),
    "predict words": lambda: words(many),
    "predict static": lambda: vectors(many),
    "predict frozen": lambda: frozen(texts),
    "tune": lambda: tuned.fit(texts[::8], labels[::8]),
}
for run in runs.values():
    run()
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    runs[line.strip()]()
    print(json.dumps(time.perf_counter() - started), flush=True)
"""


def start(checkout: Path, cache: str) -> subprocess.Popen:
    """Start a process that works with the package of a checkout."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(checkout.resolve()), "NLPTL_CACHE": cache},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdout.readline().strip() != "ready":
        sys.exit(f"The package in {checkout} does not run.")
    return process


def seconds(process: subprocess.Popen, work: str) -> float:
    process.stdin.write(work + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three turns")
    parser.add_argument("--only", nargs="*", default=WORK, choices=WORK, help="this work alone")
    parser.add_argument("old", type=Path, help="folder of the older checkout")
    options = parser.parse_args()
    report = Report("before_after")
    with tempfile.TemporaryDirectory() as cache:
        here = Path(__file__).parents[3]
        sides = [start(options.old, f"{cache}/old"), start(here, f"{cache}/new")]
        for work in options.only:
            taken = []
            for turn in range(3 if options.quick else 9):
                order = sides if turn % 2 else sides[::-1]
                times = {process: seconds(process, work) for process in order}
                taken.append([times[process] for process in sides])
            old, new = np.array(taken).T
            ratio = float(np.median(new / old))
            report.record(
                work=work, old=float(np.median(old)), new=float(np.median(new)), ratio=ratio
            )
            report.claim(
                f"{work}: at most {MAX_RATIO} times as long ({ratio:.3f})", ratio <= MAX_RATIO
            )
        for process in sides:
            process.stdin.close()
            process.wait()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

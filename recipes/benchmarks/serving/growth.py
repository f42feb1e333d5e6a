"""Claim: time grows with the number of texts, and memory hardly does in a prediction.

    NLPTL_DATA=... python recipes/benchmarks/serving/growth.py [--quick]

Short texts are made from the support requests: one word of each is replaced, so that nearly all
differ. Every case runs in a process of its own, which reports its seconds and its peak memory (the
maximum resident set, with Python, torch and the list of texts). The claims about time compare
processor seconds, which other work on the machine hardly changes; a prediction is timed the second
time. --quick leaves out the million, and takes 5,000 texts for the frozen encoder.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nlptl import StaticEncoder, TextClassifier, TransformerEncoder, support_requests

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from ledger import machine_kind
from material import Report, arguments

CASES = {"predict": (100_000, 200_000, 1_000_000), "fit": (100_000, 200_000, 1_000_000)}
MOST = {("predict", 1_000_000): 1.5, ("fit", 1_000_000): 3.0, ("features", 50_000): 1.5}
"""Maximum GiB of a case."""


def main() -> int:
    if len(sys.argv) == 3 and sys.argv[1] in (*CASES, "features"):
        return one(sys.argv[1], int(sys.argv[2]))
    options = arguments(__doc__)
    report = Report("growth")
    cases = [(what, n) for what, sizes in CASES.items() for n in sizes]
    cases.append(("features", 5_000 if options.quick else 50_000))
    figures = {}
    for what, n in cases:
        if options.quick and n > 200_000:
            continue
        command = [sys.executable, __file__, what, str(n)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        figures[what, n] = json.loads(output.splitlines()[-1])
        report.record(case=what, texts=n, machine=machine_kind(), **figures[what, n])
    report.table(
        "Seconds and peak memory",
        [{"case": what, "texts": n, **row} for (what, n), row in figures.items()],
    )
    for case, most in MOST.items():
        if case in figures:
            report.claim(f"{case[0]} {case[1]}: below {most} GiB", figures[case]["GiB"] < most)
    for what in CASES:
        small, large = (figures[what, n] for n in (100_000, 200_000))
        times = large["processor seconds"] / small["processor seconds"]
        report.claim(
            f"{what}: twice the texts take {times:.2f} times as long, at most 2.2", times <= 2.2
        )
    times = figures["predict", 200_000]["GiB"] / figures["predict", 100_000]["GiB"]
    report.claim(
        f"predict: twice the texts take {times:.2f} times the memory, at most 1.2", times <= 1.2
    )
    return report.finish()


def one(what: str, n: int) -> int:
    """Run one case and print its figures."""
    texts, labels = support_requests()
    many, answers = made(texts, n), [labels[i % len(labels)] for i in range(n)]
    fitted = TextClassifier(StaticEncoder()).fit(texts, labels)
    started, used = time.perf_counter(), time.process_time()
    if what == "predict":
        fitted.predict(many)
        started, used = time.perf_counter(), time.process_time()
        fitted.predict(many)
    elif what == "fit":
        TextClassifier(StaticEncoder()).fit(many, answers)
    else:
        with tempfile.TemporaryDirectory() as cache:
            TransformerEncoder(cache=cache).transform(many)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = {"seconds": seconds, "processor seconds": used, "GiB": peak}
    sys.stdout.write(json.dumps({name: round(value, 2) for name, value in figures.items()}) + "\n")
    return 0


def made(texts: list[str], n: int) -> list[str]:
    """Return texts with one word each replaced by a random one."""
    rng = np.random.default_rng(0)
    words = sorted({word for text in texts for word in text.split()})
    places, others = rng.random(n), rng.integers(0, len(words), n)
    results = []
    for index in range(n):
        parts = texts[index % len(texts)].split()
        parts[int(places[index] * len(parts))] = words[others[index]]
        results.append(" ".join(parts))
    return results


if __name__ == "__main__":
    sys.exit(main())

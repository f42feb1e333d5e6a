"""Claims about TransferCurve: simulated curves, and its time on frozen features.

    NLPTL_DATA=... python recipes/benchmarks/judging/curves.py [--quick]
                                                               [--only simulated|time]

simulated: 50 planted pairs of power laws, five draws with noise that shrinks with the labels and is
partly shared within a draw. In half of the pairs the method is a constant, as a source alone. The
break-even number lies between the second and the last but one size.
time: eight sizes, five draws, two methods on frozen MiniLM features of ag_news, which are in the
cache.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from nlptl import Corpus, LabelMeaning, TextClassifier, TransferCurve, TransformerEncoder
from nlptl.evaluation.curve_scores import CurveScores

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, test_rows, training_pool

SIZES = tuple(8 * 2**step for step in range(8))
CASES, DRAWS = 50, 5
SHARED = 0.6
"""Share of the noise that all sizes of a draw have in common."""


def main() -> int:
    options = arguments(__doc__, only=PARTS)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("curves")
    for part in [options.only] if options.only else PARTS:
        PARTS[part](report)
    return report.finish()


def simulated(report: Report) -> None:
    """Compare break-even numbers and asymptotes with those that were planted."""
    rows = []
    for noise in (0.02, 0.04):
        cases = [planted(case, noise) for case in range(CASES)]
        errors, covered, asymptotes = map(np.array, zip(*cases, strict=True))
        figures = {
            "noise with 8 labels": noise,
            "within 20 %": float((errors <= 0.2).mean()),
            "break-even covered": float(covered.mean()),
            "asymptote covered": float(asymptotes.mean()),
        }
        rows.append(figures)
        report.record(**figures)
    report.table(f"{CASES} simulated pairs of curves", rows)
    first = rows[0]
    report.claim(
        "break-even within 20 % in at least 90 % of the cases", first["within 20 %"] >= 0.9
    )
    for name in ("break-even covered", "asymptote covered"):
        covers = [row[name] for row in rows]
        report.claim(f"{name}: {covers}, at least .85", min(covers) >= 0.85)


def planted(case: int, noise: float) -> tuple[float, bool, bool]:
    """Measure one pair: relative error of the break-even number, and if intervals cover."""
    rng = np.random.default_rng(case)
    n = np.array(SIZES, float)
    while True:
        asymptote, exponent = rng.uniform(0.8, 0.95), rng.uniform(0.3, 0.8)
        baseline = asymptote, rng.uniform(0.4, 0.6), exponent
        if case % 2:
            method = rng.uniform(0.7, asymptote - 0.02), 0.0, 1.0
        else:
            method = (
                asymptote - rng.uniform(0, 0.06),
                rng.uniform(0.05, 0.25),
                rng.uniform(0.2, 0.6),
            )
        truth = crossing(method, baseline)
        if SIZES[1] < truth < SIZES[-2]:
            break
    means = np.stack([law(method, n), law(baseline, n)], axis=1)
    spread = np.sqrt(noise**2 * 8 / n + 0.005**2)[:, None]
    shared = rng.normal(size=(DRAWS, 1, 2)) * SHARED
    separate = rng.normal(size=(DRAWS, len(n), 2)) * np.sqrt(1 - SHARED**2)
    curve = CurveScores(("transfer", "without"), SIZES, means + spread * (shared + separate))
    count, limit = curve.break_even(), curve.asymptote("without")
    return (
        abs(count.value / truth - 1),
        count.low <= truth <= count.high,
        limit.low <= asymptote <= limit.high,
    )


def law(parameters: tuple[float, float, float], n: np.ndarray) -> np.ndarray:
    """Return the scores of a power law."""
    asymptote, drop, exponent = parameters
    return asymptote - drop * (n / SIZES[0]) ** -exponent


def crossing(method, baseline) -> float:
    """Return the first number of labels with which the baseline is as good, or infinity."""
    n = np.geomspace(SIZES[0], SIZES[-1], 20_000)
    reached = np.flatnonzero(law(baseline, n) >= law(method, n))
    return n[reached[0]] if len(reached) else np.inf


def time_of(models: dict, pool, test) -> float:
    """Return the seconds of a curve; the features are in the cache."""
    began = time.perf_counter()
    curve = TransferCurve(
        models,
        pool["text"].tolist(),
        pool["label_text"].tolist(),
        SIZES,
        test=Corpus(test["text"].tolist(), test["label_text"].tolist()),
    )
    sys.stdout.write(f"{curve}\n")
    return time.perf_counter() - began


def timed(report: Report) -> None:
    """Time eight sizes and five draws of two methods."""
    pool, test = training_pool("ag_news", 1500), test_rows("ag_news", 500)
    encoder = TransformerEncoder()
    encoder.transform([*pool["text"], *test["text"]])
    models = {
        "class names": TextClassifier(encoder, transfer=LabelMeaning()),
        "frozen": TextClassifier(encoder),
    }
    seconds = time_of(models, pool, test)
    report.record(seconds=seconds)
    report.claim(f"eight sizes and five draws take {seconds:.0f} s, at most 90", seconds <= 90)


PARTS = {"simulated": simulated, "time": timed}

if __name__ == "__main__":
    sys.exit(main())

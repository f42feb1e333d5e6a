"""Claim: Contrastive takes half the processor time of its former settings and is as accurate.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/contrastive_cost.py
            [--quick] [--kept FILE] [--sets ...] [--seeds ...]

Six sets, 8 labels per class, five draws, test rows. The former settings, until 29 November 2026,
were five passes over the rows per class, from 15 to 25 and fewer with more than 160 rows, at a rate
of 1e-4. The present ones were chosen on training rows of other draws (contrastive_ablation.py).
Processor seconds are those of the fit. --quick takes two sets and two draws.
"""

import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nlptl import Contrastive, TextClassifier, TrainingConfig
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, few_and_others, test_rows

SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
SHOTS, DRAWS = 8, 5
METHODS = ("former", "now")


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    report = Report("contrastive_cost")
    kept, names = report.ledger(options), options.sets or (SETS[:2] if options.quick else SETS)
    seeds = options.seeds or range(2 if options.quick else DRAWS)
    rows, gains, totals = [], [], dict.fromkeys(METHODS, 0.0)
    for name in names:
        figures = {
            method: [
                kept.several(partial(one, method, name, s), set=name, seed=s, method=method)
                for s in seeds
            ]
            for method in METHODS
        }
        accuracy = {m: np.array([f["accuracy"] for f in figures[m]]) for m in METHODS}
        seconds = {m: float(np.mean([f["processor"] for f in figures[m]])) for m in METHODS}
        gains.append(accuracy["now"] - accuracy["former"])
        rows.append({"set": name})
        for method in METHODS:
            totals[method] += seconds[method]
            rows[-1][method] = float(accuracy[method].mean())
            rows[-1][f"{method}, seconds"] = seconds[method]
        rows[-1]["gain"] = float(gains[-1].mean())
        report.record(**rows[-1])
    report.table(f"Accuracy with {SHOTS} labels per class, {len(seeds)} draws", rows)
    share, interval = totals["now"] / totals["former"], paired_interval(np.concatenate(gains))
    report.claim(f"{share:.2f} of the processor seconds, at most .5", share <= 0.5)
    report.claim(f"gain {interval}, at least -.003", interval.value >= -0.003)
    worst = min(float(gain.mean()) for gain in gains)
    report.claim(f"worst set {worst:+.3f}, at least -.01", worst >= -0.01)
    return report.finish()


def one(method: str, name: str, seed: int) -> dict[str, float]:
    """Fit to one draw and return the accuracy on test rows and the processor seconds."""
    texts, labels = few_and_others(name, SHOTS, 1, seed)[0]
    training = former(len(labels), len(set(labels))) if method == "former" else None
    model = TextClassifier(transfer=Contrastive(), training=training, seed=seed)
    started = time.process_time()
    model.fit(texts, labels)
    seconds = time.process_time() - started
    test = test_rows(name)
    return {"accuracy": model.score(test["text"], test["label_text"]), "processor": seconds}


def former(n_rows: int, n_classes: int) -> TrainingConfig:
    """Return the settings until 29 November 2026."""
    most = min(max(5 * n_classes, 15), 25)
    epochs = min(max(round(4000 / n_rows), 3), most)
    return TrainingConfig(epochs=epochs, learning_rate=1e-4)


if __name__ == "__main__":
    sys.exit(main())

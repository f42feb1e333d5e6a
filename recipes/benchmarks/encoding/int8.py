"""Claim: vectors in eight bits lose at most half a point of accuracy.

    NLPTL_DATA=... python recipes/benchmarks/encoding/int8.py [--quick]

1,000 labels drawn at random, up to 1,000 test rows, the encoder all-MiniLM-L6-v2 with the default
head, on six data sets. The vectors of a set are computed once for all draws.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from nlptl import TextClassifier, TransformerEncoder
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import SIX, Report, arguments, drawn, test_rows, training_pool

LABELS = 1000
MOST_LOST = 0.005


def main() -> int:
    options = arguments(__doc__)
    warnings.filterwarnings("ignore")
    report, seeds = Report("int8"), range(2 if options.quick else 5)
    names = SIX[:2] if options.quick else SIX
    rows, lost = [], []
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            scores = np.array([one(name, seed, cache) for seed in seeds])
            full, rounded = scores.mean(axis=0)
            lost.append(full - rounded)
            rows.append({"set": name, "float32": full, "int8": rounded, "lost": full - rounded})
            report.record(**rows[-1])
    mean = {key: float(np.mean([row[key] for row in rows])) for key in ("float32", "int8", "lost")}
    rows.append({"set": "mean", **mean})
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} draws", rows)
    interval = paired_interval(np.array(lost)) if len(lost) > 2 else mean["lost"]
    sentence = f"int8 loses {interval}, at most {MOST_LOST} in the mean of {len(names)} sets"
    report.claim(sentence, mean["lost"] <= MOST_LOST)
    return report.finish()


def one(name: str, seed: int, cache: str) -> tuple[float, float]:
    """Return the accuracy with vectors in float32 and in eight bits."""
    pool, test = training_pool(name), test_rows(name)
    rows = pool.iloc[drawn(len(pool), LABELS, seed)]
    accuracies = []
    for precision in ("float32", "int8"):
        encoder = TransformerEncoder(precision=precision, cache=cache)
        model = TextClassifier(encoder, seed=seed).fit(rows["text"], rows["label"])
        accuracies.append(model.score(test["text"], test["label"]))
    return accuracies[0], accuracies[1]


if __name__ == "__main__":
    sys.exit(main())

"""Claim: where labels lie along one line, OrdinalHead beats heads that do not know of the order.

    NLPTL_DATA=... python recipes/benchmarks/tasks/ordinal.py [--quick]

Frozen all-MiniLM-L6-v2. STS-B with its scores rounded to 0..5, and Amazon reviews with 1, 2, 4 or
5 stars (1,000 test rows); 200 and 500 labels, eight draws of the training rows; accuracy and the
mean error in ranks. The claim is about STS-B; on the stars there is no claim. --quick
takes four draws and 200 labels.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from nlptl import BlendHead, LogisticHead, OrdinalHead, TextClassifier
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read

HEADS = {"ordinal": OrdinalHead(), "logistic": LogisticHead(), "blend": BlendHead()}


def main() -> int:
    options = arguments(__doc__)
    warnings.filterwarnings("ignore")
    draws, sizes = (4, (200,)) if options.quick else (8, (200, 500))
    report, rows = Report("ordinal"), []
    for name in ("stsb", "stars"):
        train, test = table(name, "train"), table(name, "test")
        for size in sizes:
            runs = [scores(train, test, size, seed) for seed in range(draws)]
            rows.append({"set": name, "labels": size})
            for head in HEADS:
                accuracy, error = np.mean([run[head] for run in runs], axis=0)
                rows[-1] |= {head: float(accuracy), f"{head}, ranks off": float(error)}
            report.record(**rows[-1])
            for other in ("logistic", "blend"):
                each = np.array([run["ordinal"][0] - run[other][0] for run in runs])
                gain = paired_interval(each)
                report.record(set=name, labels=size, against=other, gain=str(gain))
                if name == "stsb":
                    said = f"STS-B, {size} labels: accuracy over {other} {gain}"
                    report.claim(said, gain.low > 0)
    report.table(f"Accuracy and mean error in ranks, {draws} draws", rows)
    return report.finish()


def table(name: str, split: str):
    """Return texts and ordered labels."""
    if name == "stsb":
        rows = read("stsb", split)
        texts = list(zip(rows["text_a"], rows["text_b"], strict=True))
        return texts, np.round(rows["score"]).astype(int).to_numpy()
    rows = read("amazon_domains", split)
    if split == "test":
        rows = rows.iloc[drawn(len(rows), 1000, 0)]
    return rows["text"].tolist(), rows["rating"].astype(int).to_numpy()


def scores(train, test, size: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return accuracy and mean error in ranks of each head."""
    some = drawn(len(train[0]), size, seed)
    texts, labels = [train[0][i] for i in some], train[1][some]
    ranks = {label: rank for rank, label in enumerate(np.unique(train[1]))}
    right = np.array([ranks[label] for label in test[1]])
    results = {}
    for name, head in HEADS.items():
        model = TextClassifier(head=head, long_texts="cut").fit(texts, labels)
        answers = np.array([ranks[label] for label in model.predict(test[0])])
        results[name] = (float((answers == right).mean()), float(np.abs(answers - right).mean()))
    return results


if __name__ == "__main__":
    sys.exit(main())

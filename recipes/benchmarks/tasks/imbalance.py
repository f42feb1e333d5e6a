"""Claim: the option ``imbalance="balanced"`` finds more of the rare classes of Reuters R8.

    NLPTL_DATA=... python recipes/benchmarks/tasks/imbalance.py [--quick]

Train and test are pooled and split again ten times. The figure is the mean F1 of four rare
classes, with the option against the same tuned head without it: once with 1,000 labels and the
rest for testing (the claim), once with the number of labels of the published training set. That
figure is no claim: with 5,485 labels the head needs no help.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from nlptl import TextClassifier
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, read

RARE = ["grain", "ship", "interest", "money-fx"]
SIZES = {"1,000 labels": 1000, "5,485 labels": 5485}
OPTIONS = (None, "balanced", "logit_adjust")


def main() -> int:
    options = arguments(__doc__)
    report = Report("imbalance")
    rows = pd.concat([read("reuters_r8", "train"), read("reuters_r8", "test")])
    texts, labels = rows["text"].to_numpy(), rows["label_text"].to_numpy()
    table = []
    for size, n in list(SIZES.items())[: 1 if options.quick else 2]:
        scores = {option: [] for option in OPTIONS}
        for seed in range(10):
            train, test = train_test_split(
                np.arange(len(labels)), train_size=n, stratify=labels, random_state=seed
            )
            for option in OPTIONS:
                model = TextClassifier(imbalance=option).fit(texts[train], labels[train])
                results = model.predict(texts[test])
                each = f1_score(labels[test], results, labels=RARE, average=None)
                scores[option].append([*each, float((results == labels[test]).mean())])
            shown = {str(o): float(np.mean(s[-1][:4])) for o, s in scores.items()}
            report.record(labels=n, split=seed, **shown)
        for option in OPTIONS:
            means = np.mean(scores[option], axis=0)
            row = {"labels": size, "option": str(option)}
            row |= dict(zip([*RARE, "accuracy"], map(float, means), strict=True))
            gain = paired_interval(rare_f1(scores[option]) - rare_f1(scores[None]))
            table.append({**row, "gain": gain.value, "low": gain.low, "high": gain.high})
            report.record(**table[-1])
            if option == "balanced" and n == 1000:
                report.claim(f"{size}: gain {gain.value:+.4f}, interval above 0", gain.low > 0)
    report.table("F1 of rare classes, ten splits; gain over no option in their mean F1", table)
    return report.finish()


def rare_f1(scores: list) -> np.ndarray:
    return np.array(scores)[:, : len(RARE)].mean(axis=1)


if __name__ == "__main__":
    sys.exit(main())

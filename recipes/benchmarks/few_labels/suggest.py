"""Claim: texts chosen by suggest reach an accuracy with at least 15 % fewer labels than a draw.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/suggest.py [--quick] [--kept FILE]
                                                        [--sets ...] [--seeds ...]

Labels needed for 85 % on ag_news and 70 % on banking77, all-MiniLM-L6-v2 frozen, names of the
classes known from the start (LabelMeaning), five seeds. Both ways begin with the same few texts
drawn at random and grow by the same number of labels a round, from the same 5,000 training rows:
by suggest(), or at random. Accuracy is that on 2,000 test rows; the number of labels at which it
first holds for two rounds is read between rounds. --quick takes two seeds.
"""

import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nlptl import LabelMeaning, TextClassifier
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, test_rows, training_pool

GOALS = {"ag_news": 0.85, "banking77": 0.70}
ROUNDS = {"ag_news": (8, 8, 30), "banking77": (40, 40, 30)}
"""Labels to begin with, labels added a round, and the most rounds."""

POOL, TESTED = 5000, 2000
WAYS = ("random", "suggest")


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = list(options.seeds or range(2 if options.quick else 5))
    report = Report("suggest")
    kept = report.ledger(options)
    rows = []
    for name in options.sets or GOALS:
        needed = {
            way: np.array(
                [
                    kept.once(partial(labels_needed, name, s, way), set=name, seed=s, way=way)
                    for s in seeds
                ]
            )
            for way in WAYS
        }
        means = {way: float(needed[way].mean()) for way in WAYS}
        fewer = 1 - means["suggest"] / means["random"]
        rows.append({"set": name, "goal": GOALS[name], **means, "fewer": fewer})
        report.record(**rows[-1])
        report.claim(f"{name}: {fewer:.0%} fewer labels, at least 15 %", fewer >= 0.15)
        first, more, most = ROUNDS[name]
        stuck = int((needed["suggest"] >= first + more * (most - 1)).sum())
        report.claim(f"{name}: {stuck} runs of suggest never reach the goal", not stuck)
        if len(seeds) > 1:
            report.record(
                set=name, saved=str(paired_interval(needed["random"] - needed["suggest"]))
            )
    report.table(f"Labels needed, {len(seeds)} seeds", rows)
    return report.finish()


def labels_needed(name: str, seed: int, way: str) -> float:
    """Label texts round by round until the goal is reached; give how many it took."""
    pool, test = training_pool(name, POOL), test_rows(name, TESTED)
    texts, labels = pool["text"].to_numpy(), pool["label_text"].to_numpy()
    asked, truth = test["text"].tolist(), test["label_text"].tolist()
    first, more, most = ROUNDS[name]
    rng = np.random.default_rng(seed)
    reference = rng.permutation(len(texts))[:first].tolist()
    names = {label: str(label).replace("_", " ") for label in sorted(set(labels))}
    curve: list[tuple[int, float]] = []
    for _ in range(most):
        model = TextClassifier(transfer=LabelMeaning(names), seed=seed)
        model.fit(texts[reference].tolist(), labels[reference].tolist())
        curve.append((len(reference), model.score(asked, truth)))
        reached = place_of(curve, GOALS[name])
        if reached is not None:
            return reached
        rest = np.setdiff1d(np.arange(len(texts)), reference)
        if way == "suggest":
            chosen = model.suggest(texts[rest].tolist(), more)
        else:
            chosen = rng.permutation(len(rest))[:more]
        reference += rest[chosen].tolist()
    return float(curve[-1][0])


def place_of(curve: list[tuple[int, float]], goal: float) -> float | None:
    """Return the labels at which the goal is reached, if the last two rounds reach it."""
    if len(curve) < 2 or min(curve[-1][1], curve[-2][1]) < goal:
        return None
    if len(curve) == 2:
        return float(curve[0][0])
    (before, low), (after, high) = curve[-3], curve[-2]
    if low >= goal or high == low:
        return float(after)
    return before + (after - before) * (goal - low) / (high - low)


if __name__ == "__main__":
    sys.exit(main())

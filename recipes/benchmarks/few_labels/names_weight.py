"""Claim: names that lead while rows are fewer than eight seldom fall below what no row gives.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/names_weight.py [--quick] [--kept FILE]
                                                             [--sets ...] [--seeds ...]

Seven sets of at most seven classes, one labelled text of each class, thirty draws, judged on 1,000
other training rows: no test row takes part, for what LabelMeaning() does with so few rows was
chosen by this. It counts the rows half beside names of weight 10, which ranks as a weight of 20
does; from eight rows on the weight is 5 until held-out rows tell. all-MiniLM-L6-v2 frozen; names as
in fewshot_names.py. --quick takes five draws.
"""

import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fewshot import NAMES

from nlptl import LabelMeaning, TextClassifier
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, few_and_others

SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "tweet_sentiment", "tweet_irony", "sib200")
WEIGHTS = (2.5, 5.0, 10.0, 20.0, 40.0)
JUDGED = 1000


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = list(options.seeds or range(5 if options.quick else 30))
    report = Report("names_weight")
    kept = report.ledger(options)
    rows, results = [], {}
    for name in options.sets or SETS:
        each = [kept.several(partial(measured, name, s), set=name, seed=s) for s in seeds]
        results[name] = pd.DataFrame(each)
        rows.append({"set": name} | results[name].mean().to_dict())
        report.record(**rows[-1])
    means = pd.DataFrame(rows).set_index("set")
    rows.append({"set": "mean"} | means.mean().to_dict())
    fall = means.sub(means["no label"], axis=0).min()
    rows.append({"set": "largest fall below no label"} | fall.to_dict())
    report.table(f"accuracy on training rows, {len(seeds)} draws", rows)
    falls = [name for name in means.index if means.loc[name, "cv"] < means.loc[name, "no label"]]
    middle = [name for name in means.index if means.loc[name, "5.0"] < means.loc[name, "no label"]]
    report.claim(
        f"it falls below no label on {len(falls)} sets, a weight of 5 on {len(middle)}; "
        f"the largest fall is {-fall['cv']:.4f}, against {-fall['5.0']:.4f}",
        len(falls) <= len(middle) and fall["cv"] >= fall["5.0"],
    )
    if len(seeds) > 1:
        apart = np.mean([entry["cv"] - entry["5.0"] for entry in results.values()], axis=0)
        gain = paired_interval(apart)
        report.claim(f"in the mean LabelMeaning() is {gain} above a weight of 5", gain.high >= 0)
    return report.finish()


def measured(name: str, seed: int) -> dict[str, float]:
    """Return the accuracy without a label, and with one of each class by several weights."""
    few, others = few_and_others(name, 1, JUDGED, seed)
    record = NAMES.get(name) or {label: label for label in sorted(set(few[1]))}
    named = {label: text.replace("_", " ") for label, text in record.items()}
    ways = {"no label": (([], []), "cv"), "cv": (few, "cv")}
    ways |= {str(weight): (few, weight) for weight in WEIGHTS}
    figures = {}
    for way, (options, weight) in ways.items():
        meaning = LabelMeaning(named, weight=weight)
        figures[way] = TextClassifier(transfer=meaning, seed=seed).fit(*options).score(*others)
    return figures


if __name__ == "__main__":
    sys.exit(main())

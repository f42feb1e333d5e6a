"""Claim: the names of classes are worth labels, and labels add to them.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/fewshot_names.py [--quick] [--kept FILE]
                                                              [--sets ...] [--seeds ...]

Four sets, all-MiniLM-L6-v2 frozen, 0, 1, 2, 4, 8 and 16 labels per class, ten draws, 1,000 test
rows: TextClassifier() against TextClassifier(transfer=LabelMeaning(names)). Without a label also
with 1,000 unlabelled training texts (SelfTraining together with the names). The names are
the labels of the data as they stand, and for trec, whose labels are short forms, what its makers
say they stand for. --quick takes three draws of 0, 1 and 8 labels.
"""

import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from fewshot import NAMES

from nlptl import Corpus, Frozen, LabelMeaning, SelfTraining, TextClassifier, k_shot
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, drawn, read, test_rows

SETS = ("ag_news", "trec", "tweet_emotion", "banking77")
SHOTS, UNLABELLED = (0, 1, 2, 4, 8, 16), 1000


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = options.seeds or range(3 if options.quick else 10)
    report = Report("fewshot_names")
    kept = report.ledger(options)
    shots = (0, 1, 8) if options.quick else SHOTS
    results = [judge_set(name, shots, list(seeds), report, kept) for name in options.sets or SETS]
    means = np.mean([[entry["names", n] for n in shots] for entry in results], axis=0)
    record = ", ".join(f"{mean:.3f}" for mean in means)
    report.claim(
        f"over sets more labels never lower the mean ({record})", (np.diff(means) >= 0).all()
    )
    texts = float(np.mean([entry["names and texts", 0] - entry["names", 0] for entry in results]))
    report.claim(f"without a label, texts without labels give {texts:+.3f} over sets", texts > 0)
    return report.finish()


def judge_set(
    name: str, shots: tuple[int, ...], seeds: list[int], report: Report, kept: Kept
) -> dict[tuple[str, int], float]:
    """Measure one set, and make its claims; give the means."""
    results: dict[tuple[str, int], np.ndarray] = {}
    rows = []
    for n in shots:
        rows.append({"labels per class": n})
        for method in ("plain", "names", "names and texts"):
            if (n == 0 and method == "plain") or (n and method == "names and texts"):
                rows[-1] |= {method: float("nan"), f"{method}, spread": float("nan")}
                continue
            draws = seeds[:1] if n == 0 and method == "names" else seeds
            each = [
                kept.once(
                    partial(measured, name, n, s, method), set=name, shots=n, seed=s, of=method
                )
                for s in draws
            ]
            results[method, n] = np.array(each)
            rows[-1][method] = float(np.mean(each))
            rows[-1][f"{method}, spread"] = float(np.std(each))
        report.record(set=name, **rows[-1])
    report.table(f"{name}: accuracy, {len(seeds)} draws", rows)
    every = {key: float(each.mean()) for key, each in results.items()}
    if len(seeds) < 2:
        return every
    gain = paired_interval(results["names", 1] - results["plain", 1])
    report.claim(f"{name}, one label per class: names give {gain}", gain.value > 0)
    means = [float(results["names", n].mean()) for n in shots]
    steps = np.diff(means)
    report.claim(
        f"{name}: more labels never lower the mean ({', '.join(f'{m:.3f}' for m in means)})",
        (steps >= 0).all(),
    )
    return every


def measured(name: str, shots: int, seed: int, method: str) -> float:
    """Return the accuracy on the test rows after learning from one draw."""
    pool, test = read(name, "train"), test_rows(name)
    some = pool.iloc[k_shot(pool["label_text"], shots, seed=seed) if shots else []]
    texts, labels = some["text"].tolist(), some["label_text"].tolist()
    record = NAMES.get(name) or {label: label for label in sorted(set(pool["label_text"]))}
    named = {label: text.replace("_", " ") for label, text in record.items()}
    transfer, others = LabelMeaning(named) if method == "names" else Frozen(), None
    if method == "names and texts":
        transfer = [LabelMeaning(named), SelfTraining()]
        others = Corpus(pool["text"].iloc[drawn(len(pool), UNLABELLED, seed)].tolist())
    model = TextClassifier(transfer=transfer, seed=seed).fit(texts, labels, unlabeled=others)
    return model.score(test["text"].tolist(), test["label_text"].tolist())


if __name__ == "__main__":
    sys.exit(main())

"""Claim: a student of word vectors keeps most of what its teacher gained, at 20 times its speed.

    NLPTL_DATA=... python recipes/benchmarks/serving/student.py [--quick] [--kept FILE]
                                                        [--sets ...] [--seeds ...]

ag_news and tweet_emotion, 8 labels per class, 1,000 unlabelled training texts, 1,000
test rows, five draws. The teacher is TextClassifier(transfer=Contrastive()), the student
teacher.distill(texts, labelled=...), and the baseline TextClassifier(StaticEncoder()) fitted to the
labelled rows. Kept is what the student gained on the baseline, of what the teacher gained. Texts
per second are those of predict_proba on the test rows with an empty cache, the two in turn, three
times. --quick takes two draws.
"""

import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nlptl import Contrastive, Corpus, StaticEncoder, TextClassifier
from nlptl.encoders.cache import without_cache

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, alternate, arguments, few_and_others, median_ratio, test_rows

SETS = ("ag_news", "tweet_emotion")
SHOTS, UNLABELLED = 8, 1000


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = options.seeds or range(2 if options.quick else 5)
    report = Report("student")
    kept = report.ledger(options)
    rows = []
    for name in options.sets or SETS:
        each = [kept.several(partial(measured, name, s), set=name, seed=s) for s in seeds]
        mean = {figure: float(np.mean([entry[figure] for entry in each])) for figure in each[0]}
        gain = mean["teacher"] - mean["static"]
        report.claim(f"{name}: the teacher is {gain:+.3f} above word vectors", gain > 0)
        share = (mean["student"] - mean["static"]) / max(gain, 1e-9)
        rows.append({"set": name, **mean, "kept": share})
        report.record(**rows[-1])
        report.claim(
            f"{name}: {share:.0%} of the teacher's gain is kept, at least 60 %", share >= 0.6
        )
        report.claim(f"{name}: {mean['times']:.0f} times as fast, at least 20", mean["times"] >= 20)
    report.table(f"Students, {len(seeds)} draws", rows)
    return report.finish()


def measured(name: str, seed: int) -> dict[str, float]:
    """Teach one student; give accuracies, and how many times as fast it is."""
    test = test_rows(name)
    options, (others, _) = few_and_others(name, SHOTS, UNLABELLED, seed)
    asked, truth = test["text"].tolist(), test["label_text"].tolist()
    teacher = TextClassifier(transfer=Contrastive(), seed=seed).fit(*options)
    student = teacher.distill(others, labelled=Corpus(*options))
    static = TextClassifier(StaticEncoder(), seed=seed).fit(*options)
    with without_cache():
        models = {"teacher": teacher, "student": student}
        runs = {record: partial(model.predict_proba, asked) for record, model in models.items()}
        seconds = alternate(runs, 3)
    return {
        "static": static.score(asked, truth),
        "student": student.score(asked, truth),
        "teacher": teacher.score(asked, truth),
        "texts per second": len(asked) / float(np.median(seconds["student"])),
        "times": median_ratio(seconds["teacher"], seconds["student"]),
    }


if __name__ == "__main__":
    sys.exit(main())

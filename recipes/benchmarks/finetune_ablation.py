"""Which choices earn the default FullFineTune its place: 500 labels, judged on training rows.

    NLPTL_DATA=... python recipes/benchmarks/finetune_ablation.py [--quick] [--only NAME ...]

Three sets, three seeds. Each seed draws 500 rows to learn from and 800 others of the training
split to judge by, so that no test row takes part in a choice. Every variant changes one thing.
--quick takes one seed and the first four variants. There is no claim beyond that the default is
not worse than the mean of its variants.
"""

import argparse
import sys
import warnings
from dataclasses import replace

import numpy as np
import torch
from finetune_small import rows_of
from material import Report, drawn

from nlptl import FullFineTune, TextClassifier, TransformerEncoder
from nlptl.encoders import Pooling
from nlptl.estimators.fitting.tuning import TUNING
from nlptl.transfer import L2SP

LABELS, JUDGED = 500, 800
SETS = ("trec", "sst2", "tweet_emotion")


class Alone(FullFineTune):
    """The second training as it ends, not averaged with the first."""

    averages_weights = False


FULL = FullFineTune()
VARIANTS = {
    "default": {},
    "rows held out: none": {"training": replace(TUNING, validation_share=0.0)},
    "second training alone": {"transfer": Alone()},
    "average: tail": {"training": replace(TUNING, average="tail")},
    "head starts at random": {"transfer": replace(FULL, head_first=False)},
    "layer decay 0.9": {"transfer": replace(FULL, layer_decay=0.9)},
    "epochs 10": {"training": replace(TUNING, epochs=10)},
    "rate 2e-4": {"training": replace(TUNING, learning_rate=2e-4)},
    "re-init 1 layer": {"transfer": replace(FULL, reinit_layers=1)},
    "pooling: first token": {"encoder": TransformerEncoder(pooling=Pooling(tokens="cls"))},
    "average: ema": {"training": replace(TUNING, average="ema")},
    "rate 5e-5": {"training": replace(TUNING, learning_rate=5e-5)},
    "epochs 3": {"training": replace(TUNING, epochs=3)},
    "embeddings frozen": {"transfer": replace(FULL, freeze_embeddings=True)},
    "gradual unfreezing": {"transfer": replace(FULL, gradual=True)},
    "L2SP 0.01": {"transfer": [FULL, L2SP(0.01)]},
    "five layers to the head": {"transfer": replace(FULL, features="weighted")},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    names = given.only[:4] if given.quick else given.only
    seeds = range(1 if given.quick else 3)
    report = Report("finetune_ablation")
    rows = []
    for variant in names:
        found = {}
        for name in SETS:
            each = [judged(variant, name, seed) for seed in seeds]
            report.record(variant=variant, set=name, accuracies=each)
            found[name] = float(np.mean(each))
        rows.append({"variant": variant, **found, "mean": float(np.mean(list(found.values())))})
        report.record(**rows[-1])
    report.table(f"Accuracy with {LABELS} labels on training rows, {len(seeds)} seeds", rows)
    if len(rows) > 1 and rows[0]["variant"] == "default":
        others = float(np.mean([row["mean"] for row in rows[1:]]))
        report.claim("the default is not below the mean of its variants", rows[0]["mean"] >= others)
    return report.finish()


def judged(variant: str, name: str, seed: int) -> float:
    pool = rows_of(name, "train")
    some = pool.iloc[drawn(len(pool), LABELS + JUDGED, seed)]
    texts, labels = some["text"].tolist(), some["label_text"].tolist()
    options = {"transfer": FULL, "seed": seed, **VARIANTS[variant]}
    model = TextClassifier(**options).fit(texts[:LABELS], labels[:LABELS])
    return model.score(texts[LABELS:], labels[LABELS:])


if __name__ == "__main__":
    sys.exit(main())

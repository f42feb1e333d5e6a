"""Which choices earn Contrastive its defaults: 8 labels per class, judged on training rows.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/contrastive_ablation.py
            [--quick] [--kept FILE] [--variants NAME ...] [--sets ...] [--seeds ...]

Four sets, three draws of 8 labels per class from the training split, judged on 800 other rows,
so that no test row takes part in a choice; the best has to hold on two sets more. Every variant
changes one thing of 25 passes over the rows, of which the default takes 15 to 25. --quick takes one
draw and the first three variants; --kept goes on where another run stopped. The claim is that no
variant is clearly better than the default.
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from nlptl import (
    Contrastive,
    FullFineTune,
    LoRA,
    TextClassifier,
    TrainingConfig,
)

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, few_and_others
from variants import compare_variants

SHOTS, JUDGED = 8, 800
SETS, REST = ("sst2", "ag_news", "trec", "tweet_emotion"), ("banking77", "amazon_domains")
PLAIN, DEFAULT = "epochs 25", "default"
LONG = TrainingConfig(epochs=25)
VARIANTS = {
    PLAIN: {},
    DEFAULT: {"training": None},
    "frozen": {"transfer": None, "training": None},
    "epochs 8": {"training": TrainingConfig(epochs=8)},
    "epochs 15": {"training": TrainingConfig(epochs=15)},
    "epochs 50": {"training": TrainingConfig(epochs=50)},
    "epochs 12": {"training": TrainingConfig(epochs=12)},
    "epochs 12, rate 1.5e-4": {"training": TrainingConfig(epochs=12, learning_rate=1.5e-4)},
    "epochs 12, rate 2e-4": {"training": TrainingConfig(epochs=12, learning_rate=2e-4)},
    "epochs 12, rate 2e-4, constant": {
        "training": TrainingConfig(epochs=12, learning_rate=2e-4, schedule="constant")
    },
    "epochs 8, rate 1.5e-4": {"training": TrainingConfig(epochs=8, learning_rate=1.5e-4)},
    "epochs 8, rate 2e-4": {"training": TrainingConfig(epochs=8, learning_rate=2e-4)},
    "epochs 4": {"training": TrainingConfig(epochs=4)},
    "epochs 4, rate 1.5e-4": {"training": TrainingConfig(epochs=4, learning_rate=1.5e-4)},
    "epochs 3, rate 2e-4": {"training": TrainingConfig(epochs=3, learning_rate=2e-4)},
    "temperature 0.05": {"transfer": Contrastive(temperature=0.05)},
    "temperature 0.2": {"transfer": Contrastive(temperature=0.2)},
    "rate 5e-5": {"training": replace(LONG, learning_rate=5e-5)},
    "rate 2e-4": {"training": replace(LONG, learning_rate=2e-4)},
    "batches of 16": {"training": replace(LONG, batch_size=16)},
    "two seeds": {"transfer": Contrastive(seeds=2)},
    "average: tail": {"training": replace(LONG, average="tail")},
    "three layers": {"transfer": [Contrastive(), FullFineTune(layers=3)]},
    "five layers to the head": {"transfer": [Contrastive(), FullFineTune(features="weighted")]},
    "LoRA": {"transfer": [Contrastive(), LoRA()]},
}


def main() -> int:
    settings = arguments(__doc__, in_parts=True, variants=list(VARIANTS))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    names = settings.variants[:3] if settings.quick else settings.variants
    report = Report("contrastive_ablation")
    compare_variants(judged, names, settings, report, sets=(SETS, REST), against=(PLAIN, DEFAULT))
    return report.finish()


def judged(variant: str, name: str, seed: int) -> float:
    """Fit to one draw; give the accuracy on other training rows."""
    few, others = few_and_others(name, SHOTS, JUDGED, seed)
    options = {"transfer": Contrastive(), "training": LONG, "seed": seed, **VARIANTS[variant]}
    return TextClassifier(**options).fit(*few).score(*others)


if __name__ == "__main__":
    sys.exit(main())

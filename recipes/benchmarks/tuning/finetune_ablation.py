"""Which choices earn the default FullFineTune its place: 500 labels, judged on training rows.

    NLPTL_DATA=... python recipes/benchmarks/tuning/finetune_ablation.py
            [--quick] [--variants NAME ...] [--kept FILE]

Three sets, three seeds, and two sets more on which the best of the variants is compared with the
default. Each seed draws 500 rows to learn from and 800 others of the training
split to judge by, so that no test row takes part in a choice. Every variant changes one thing of a
single training on all rows; the default trains a second time, and calibrates between. Variants of
LoRA stand at the end.
--quick takes one seed and the first four variants; --kept goes on where another run stopped. The
claim is that no variant is clearly better than the default.
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from finetune_small import rows_of

from nlptl import FullFineTune, LoRA, TextClassifier, TransformerEncoder
from nlptl.encoders import Pooling
from nlptl.fitting.finetuning import TUNING
from nlptl.transfer import L2SP

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn
from variants import compare_variants

LABELS, JUDGED = 500, 800
SETS, REST = ("trec", "sst2", "tweet_emotion"), ("mrpc", "books")


class Alone(FullFineTune):
    """The second training as it ends, not averaged with the first."""

    averages_weights = False


FULL = FullFineTune()
PLAIN, DEFAULT = "trained once", "default: twice, averaged"
ONCE = replace(TUNING, validation_share=0.0)
VARIANTS = {
    PLAIN: {},
    DEFAULT: {"training": TUNING},
    "twice, the second alone": {"training": TUNING, "transfer": Alone()},
    "head starts at random": {"transfer": replace(FULL, head_first=False)},
    "epochs 10": {"training": replace(ONCE, epochs=10)},
    "epochs 3": {"training": replace(ONCE, epochs=3)},
    "layer decay 0.9": {"transfer": replace(FULL, layer_decay=0.9)},
    "re-init 1 layer": {"transfer": replace(FULL, reinit_layers=1)},
    "average: tail": {"training": replace(ONCE, average="tail")},
    "pooling: first token": {"encoder": TransformerEncoder(pooling=Pooling(tokens="cls"))},
    "rate 5e-5": {"training": replace(ONCE, learning_rate=5e-5)},
    "rate 2e-4": {"training": replace(ONCE, learning_rate=2e-4)},
    "average: ema": {"training": replace(ONCE, average="ema")},
    "five layers to the head": {"transfer": replace(FULL, features="weighted")},
    "embeddings frozen": {"transfer": replace(FULL, freeze_embeddings=True)},
    "gradual unfreezing": {"transfer": replace(FULL, gradual=True)},
    "L2SP 0.01": {"transfer": [FULL, L2SP(0.01)]},
    "LoRA": {"transfer": LoRA()},
    "LoRA, rank 8": {"transfer": LoRA(rank=8)},
    "LoRA, rank 16": {"transfer": LoRA(rank=16)},
    "LoRA, rank 64": {"transfer": LoRA(rank=64)},
    "LoRA, rank 8, rate 20": {"transfer": LoRA(rank=8, rate=20.0)},
    "LoRA, rank 16, rate 20": {"transfer": LoRA(rank=16, rate=20.0)},
}


def main() -> int:
    settings = arguments(__doc__, in_parts=True, variants=list(VARIANTS))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    names = settings.variants[:4] if settings.quick else settings.variants
    report = Report("finetune_ablation")
    compare_variants(judged, names, settings, report, sets=(SETS, REST), against=(PLAIN, DEFAULT))
    return report.finish()


def judged(variant: str, name: str, seed: int) -> float:
    pool = rows_of(name, "train")
    some = pool.iloc[drawn(len(pool), LABELS + JUDGED, seed)]
    texts, labels = some["text"].tolist(), some["label_text"].tolist()
    options = {"transfer": FULL, "training": ONCE, "seed": seed, **VARIANTS[variant]}
    model = TextClassifier(**options).fit(texts[:LABELS], labels[:LABELS])
    return model.score(texts[LABELS:], labels[LABELS:])


if __name__ == "__main__":
    sys.exit(main())

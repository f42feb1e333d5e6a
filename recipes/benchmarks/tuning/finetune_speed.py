"""Claim: tuning is at least 1.15 times as fast as transformers' Trainer at its best settings.

    NLPTL_DATA=... python recipes/benchmarks/tuning/finetune_speed.py
            [--quick] [--only speed|accuracy] [--kept FILE]

all-MiniLM-L6-v2, all weights, texts cut at 256 tokens, 16 rows a step, the same number of steps
an epoch, two threads. Trainer groups by length and computes in bfloat16, its fastest settings.
Speed is the examples a second of the steps alone, over 64 steps of each set, both in turn, three
times after a turn that does not count. Accuracy is compared after the same number of epochs on
2,000 rows, five seeds, paired, with Trainer at its default rate and at nlptl's.
--quick takes one turn and 32 steps, and no accuracy. Accuracies, unlike speeds, may be measured in
parts and side by side: --kept goes on where another run stopped.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from nlptl import FullFineTune, TextClassifier, TransformerEncoder
from nlptl.base.arrays import FloatArray
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.evaluation.intervals import paired_interval
from nlptl.fitting.finetuning import TUNING

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, drawn, median_ratio, read, test_rows

SETS = {"ag_news": 2, "banking77": 4, "newsgroups20": 1}
"""With the epochs after which accuracies are compared."""

RATES = {"Trainer": 5e-5, "Trainer, rate of nlptl": TUNING.learning_rate}
"""Of Trainer: its default, and the one that nlptl has."""

ROWS, TOKENS, BATCH = 2000, 256, 16


def main() -> int:
    settings = arguments(__doc__, in_parts=True, only=("speed", "accuracy"))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("finetune_speed")
    kept = report.ledger(settings)
    names, seeds = settings.sets or list(SETS), settings.seeds or range(5)
    steps, turns = (32, 1) if settings.quick else (64, 3)
    for name in names if settings.only != "accuracy" else ():
        ratio = speed(name, steps, turns, report)
        report.claim(f"{name}: {ratio:.2f} times as fast as Trainer, at least 1.15", ratio >= 1.15)
    for name in names if settings.only != "speed" and not settings.quick else ():
        for peer, differences in accuracy(name, seeds, report, kept).items():
            if len(differences) > 1:  # less than two: a part of a run
                gain = paired_interval(differences)
                report.claim(f"{name}: accuracy less that of {peer} {gain}", gain.high >= 0)
    return report.finish()


def speed(name: str, steps: int, turns: int, report: Report) -> float:
    """Time the same number of steps of both, in turn."""
    pool = read(name, "train")
    rows = pool.iloc[drawn(len(pool), steps * BATCH, 0)]
    ways = {"nlptl": lambda: ours(rows, 1, 0)[1], "Trainer": lambda: theirs(rows, 1, 0)[1]}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for who, way in ways.items():
            taken = way()
            if turn:  # in the first turn kernels are made for shapes not seen before
                seconds[who].append(taken)
    ratio = median_ratio(seconds["Trainer"], seconds["nlptl"])
    figures = {
        f"{n} examples a second": len(rows) / float(np.median(s)) for n, s in seconds.items()
    }
    report.record(set=name, ratio=ratio, steps=steps, **figures)
    return ratio


def accuracy(name: str, seeds: Sequence[int], report: Report, kept: Kept) -> dict[str, FloatArray]:
    """Compare what each learnt from the same rows in the same number of epochs.

    Gives for each way to set Trainer how far nlptl is above it, seed by seed.
    """
    results = {
        who: np.array(
            [
                kept.once(partial(judged, name, seed, who), set=name, seed=seed, method=who)
                for seed in seeds
            ]
        )
        for who in ("nlptl", *RATES)
    }
    report.record(set=name, **{who: float(figures.mean()) for who, figures in results.items()})
    return {who: results["nlptl"] - results[who] for who in RATES}


def judged(name: str, seed: int, who: str) -> float:
    pool, test = read(name, "train"), test_rows(name)
    rows = pool.iloc[drawn(len(pool), ROWS, seed)]
    labels = sorted(set(rows["label_text"]))
    reference = test[test["label_text"].isin(labels)]
    if who == "nlptl":
        model, _ = ours(rows, SETS[name], seed)
        return model.score(reference["text"].tolist(), reference["label_text"].tolist())
    trainer, _ = theirs(rows, SETS[name], seed, rate=RATES[who])
    results = trainer.predict(tokenized(reference, labels))
    return float((results.predictions.argmax(axis=1) == results.label_ids).mean())


def ours(rows: pd.DataFrame, epochs: int, seed: int) -> tuple[TextClassifier, float]:
    """Tune with nlptl; give the seconds of the steps alone."""
    from nlptl.training.networks import text_training

    taken: list[float] = []
    real = text_training.train

    def timed(*args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return real(*args, **options)
        finally:
            taken.append(time.perf_counter() - started)

    text_training.train = timed
    try:
        model = TextClassifier(
            TransformerEncoder(max_length=TOKENS),
            transfer=FullFineTune(),
            long_texts="cut",
            training=replace(TUNING, epochs=epochs, batch_size=BATCH, validation_share=0.0),
            seed=seed,
        ).fit(rows["text"].tolist(), rows["label_text"].tolist())
    finally:
        text_training.train = real
    return model, taken[0]


def theirs(
    rows: pd.DataFrame, epochs: int, seed: int, *, rate: float = RATES["Trainer"]
) -> tuple[Trainer, float]:
    """Tune with Trainer; give the seconds that it measured itself."""
    folder = str(find_encoder(None).path)
    names = sorted(set(rows["label_text"]))
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(
            model,
            TrainingArguments(
                place,
                seed=seed,
                learning_rate=rate,
                num_train_epochs=epochs,
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=64,
                use_cpu=True,
                bf16=True,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
                train_sampling_strategy="group_by_length",
            ),
            train_dataset=tokenized(rows, names),
            data_collator=DataCollatorWithPadding(AutoTokenizer.from_pretrained(folder)),
        )
        done = trainer.train()
    return trainer, float(done.metrics["train_runtime"])


def tokenized(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(str(find_encoder(None).path))
    return [
        {**tokenizer(text, truncation=True, max_length=TOKENS), "labels": names.index(label)}
        for text, label in zip(table["text"], table["label_text"], strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())

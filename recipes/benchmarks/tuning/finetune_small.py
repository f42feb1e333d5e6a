"""Claim: with 500 labels the default FullFineTune beats the frozen encoder and plain fine-tuning.

    NLPTL_DATA=... python recipes/benchmarks/tuning/finetune_small.py [--quick] [--kept FILE]

The encoder is all-MiniLM-L6-v2, tested on 1,000 rows. The peer is transformers' Trainer on
AutoModelForSequenceClassification: once with its defaults at 3 epochs, once at nlptl's number of
steps with a rate of 2e-5 and a tenth of warm-up; batches grouped by length and bfloat16, which
are its fastest settings. --quick takes three sets and two seeds; --kept goes on where another
run stopped, and finetune_lora.py finds the full tuning there.
"""

import sys
import tempfile
import warnings
from pathlib import Path

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

from nlptl import Frozen, FullFineTune, LoRA, TextClassifier
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.evaluation.intervals import paired_interval
from nlptl.fitting.finetuning import TUNING

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, drawn, read

LABELS, TESTED = 500, 1000
SETS = ("sst2", "trec", "tweet_emotion", "books", "mrpc")
OURS = {"nlptl full": FullFineTune(), "nlptl frozen": Frozen(), "nlptl LoRA": LoRA()}
METHODS = ("nlptl full", "nlptl frozen", "Trainer defaults", "Trainer, same steps")


def main() -> int:
    settings = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    names, seeds = (SETS[:3], range(2)) if settings.quick else (SETS, range(5))
    names, seeds = settings.sets or names, settings.seeds or seeds
    report = Report("finetune_small")
    kept = report.ledger(settings)
    runs = {
        (name, seed, method): accuracy(kept, name, seed, method)
        for seed in seeds
        for name in names
        for method in METHODS
    }
    rows = []
    for name in names:
        results = {m: [runs[name, seed, m] for seed in seeds] for m in METHODS}
        rows.append({"set": name, **{m: float(np.mean(v)) for m, v in results.items()}})
        spread = {m: float(np.std(v, ddof=1)) for m, v in results.items() if len(v) > 1}
        rows[-1] |= {f"{m} ±": value for m, value in spread.items()}
        report.record(**rows[-1])
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} seeds", rows)
    if len(seeds) < 2:  # a part of a run: one draw says nothing of the spread
        return report.finish()
    baseline = METHODS[0]
    for peer, least in (("nlptl frozen", 0.0), ("Trainer defaults", 0.03), (METHODS[3], 0.015)):
        each = [[runs[n, s, baseline] - runs[n, s, peer] for n in names] for s in seeds]
        gain = paired_interval(np.mean(each, axis=1))
        report.record(against=peer, gain=gain.value, low=gain.low, high=gain.high)
        report.claim(f"mean gain over {peer} at least {least}: {gain}", gain.value >= least)
    ours, theirs = (np.mean([row[f"{m} ±"] for row in rows]) for m in (baseline, METHODS[2]))
    report.claim(f"spread over seeds {ours:.4f} below Trainer's {theirs:.4f}", ours < theirs)
    return report.finish()


def rows_of(name: str, split: str) -> pd.DataFrame:
    """Read a data set; the texts of a pair stand in one tuple."""
    if name == "books":
        table = read("amazon_domains", split)
        return table[table["domain"] == "books"]
    table = read(name, split)
    if "text_a" in table:
        table = table.assign(text=list(zip(table["text_a"], table["text_b"], strict=True)))
    return table


def accuracy(kept: Kept, name: str, seed: int, method: str) -> float:
    """Return the test accuracy of a method on one draw of rows."""

    def measured() -> float:
        pool, test = rows_of(name, "train"), rows_of(name, "test")
        test = test if len(test) <= TESTED else test.sample(TESTED, random_state=0)
        return judged(pool.iloc[drawn(len(pool), LABELS, seed)], test, seed, method)

    return kept.once(measured, set=name, seed=seed, method=method)


def judged(train: pd.DataFrame, test: pd.DataFrame, seed: int, method: str) -> float:
    if method in OURS:
        model = TextClassifier(transfer=OURS[method], seed=seed)
        model.fit(train["text"].tolist(), train["label_text"].tolist())
        return model.score(test["text"].tolist(), test["label_text"].tolist())
    if method == "Trainer defaults":
        return peer(train, test, seed, num_train_epochs=3)
    return peer(
        train,
        test,
        seed,
        max_steps=TUNING.epochs * -(-LABELS // TUNING.batch_size),
        per_device_train_batch_size=TUNING.batch_size,
        learning_rate=2e-5,
        warmup_steps=0.1,
    )


def peer(train: pd.DataFrame, test: pd.DataFrame, seed: int, **options: object) -> float:
    """Fine-tune with transformers' Trainer; give the accuracy on the test rows."""
    folder = str(find_encoder(None).path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    names = sorted(set(train["label_text"]))
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))

    def tokenized(table: pd.DataFrame) -> list[dict]:
        pairs = [text if isinstance(text, tuple) else (text,) for text in table["text"]]
        return [
            {**tokenizer(*pair, truncation=True, max_length=256), "labels": names.index(label)}
            for pair, label in zip(pairs, table["label_text"], strict=True)
        ]

    with tempfile.TemporaryDirectory() as place:
        settings = TrainingArguments(
            place,
            seed=seed,
            use_cpu=True,
            bf16=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            train_sampling_strategy="group_by_length",
            **options,
        )
        trainer = Trainer(
            model,
            settings,
            train_dataset=tokenized(train),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        reference = test[test["label_text"].isin(names)]
        # Grouping by length puts the rows of a prediction in another order, truth beside them.
        results = trainer.predict(tokenized(reference))
    right = results.predictions.argmax(axis=1) == results.label_ids
    return float(right.sum() / len(test))


if __name__ == "__main__":
    sys.exit(main())

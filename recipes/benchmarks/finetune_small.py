"""Claim: with 500 labels the default FullFineTune beats the frozen rung and plain fine-tuning.

    NLPTL_DATA=... python recipes/benchmarks/finetune_small.py [--quick]

The encoder is all-MiniLM-L6-v2, tested on 1,000 rows. The peer is transformers' Trainer on
AutoModelForSequenceClassification: once with its defaults at 3 epochs, once at nlptl's number of
steps with a rate of 2e-5 and a tenth of warm-up; batches grouped by length and bfloat16, which
are its fastest settings. --quick takes three sets and two seeds.
"""

import sys
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
import torch
from material import Report, arguments, drawn, read
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from nlptl import FullFineTune, TextClassifier
from nlptl.encoders.contextual.folder import find_encoder
from nlptl.estimators.fitting.tuning import TUNING
from nlptl.evaluation.intervals import paired_interval

LABELS, TESTED = 500, 1000
SETS = ("sst2", "trec", "tweet_emotion", "books", "mrpc")
METHODS = ("nlptl full", "nlptl frozen", "Trainer defaults", "Trainer, same steps")


def main() -> int:
    given = arguments(__doc__)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(2)
    names, seeds = (SETS[:3], range(2)) if given.quick else (SETS, range(5))
    report = Report("finetune_small")
    runs: dict[tuple[str, int], dict[str, float]] = {}
    for name in names:
        pool, test = rows_of(name, "train"), rows_of(name, "test")
        if len(test) > TESTED:
            test = test.sample(TESTED, random_state=0)
        for seed in seeds:
            train = pool.iloc[drawn(len(pool), LABELS, seed)]
            runs[name, seed] = one(train, test, seed)
            report.record(set=name, seed=seed, **runs[name, seed])
    rows = []
    for name in names:
        found = {m: [runs[name, seed][m] for seed in seeds] for m in METHODS}
        rows.append({"set": name, **{m: float(np.mean(v)) for m, v in found.items()}})
        rows[-1] |= {f"{m} ±": float(np.std(v, ddof=1)) for m, v in list(found.items())[:1]}
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} seeds", rows)
    for peer, least in (("nlptl frozen", 0.0), ("Trainer defaults", 0.03), (METHODS[3], 0.015)):
        each = [[runs[n, s][METHODS[0]] - runs[n, s][peer] for n in names] for s in seeds]
        gain = paired_interval(np.mean(each, axis=1))
        report.record(against=peer, gain=gain.value, low=gain.low, high=gain.high)
        report.claim(f"mean gain over {peer} at least {least}: {gain}", gain.value >= least)
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


def one(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, float]:
    texts, labels = train["text"].tolist(), train["label_text"].tolist()
    asked, truth = test["text"].tolist(), test["label_text"].tolist()
    started = time.perf_counter()
    tuned = TextClassifier(transfer=FullFineTune(), seed=seed).fit(texts, labels)
    seconds = time.perf_counter() - started
    frozen = TextClassifier(seed=seed).fit(texts, labels)
    steps = TUNING.epochs * -(-LABELS // TUNING.batch_size)
    return {
        "nlptl full": tuned.score(asked, truth),
        "nlptl frozen": frozen.score(asked, truth),
        "Trainer defaults": peer(train, test, seed, num_train_epochs=3),
        "Trainer, same steps": peer(
            train,
            test,
            seed,
            max_steps=steps,
            per_device_train_batch_size=TUNING.batch_size,
            learning_rate=2e-5,
            warmup_steps=0.1,
        ),
        "seconds": seconds,
    }


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
        given = TrainingArguments(
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
            given,
            train_dataset=tokenized(train),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        known = test[test["label_text"].isin(names)]
        # Grouping by length puts the rows of a prediction in another order, truth beside them.
        found = trainer.predict(tokenized(known))
    right = found.predictions.argmax(axis=1) == found.label_ids
    return float(right.sum() / len(test))


if __name__ == "__main__":
    sys.exit(main())

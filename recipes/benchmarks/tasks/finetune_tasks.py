"""Figures: other tasks than one label per text, frozen and tuned.

    NLPTL_DATA=... python recipes/benchmarks/tasks/finetune_tasks.py [--quick] [--only TASK]

STS-B (Pearson, similarity of two sentences as a number) and MRPC (F1, paraphrase or not), with the
two texts of a pair read one by one or as one text; and 20 newsgroups with every ancestor of a
group's name as a label (rec, rec.sport, rec.sport.hockey; macro-F1, thresholds tuned on held-out
rows against 0.5 for every label), texts cut at 128 tokens. All training rows of STS-B and MRPC,
2,000 of 20 newsgroups, the whole test sets (2,000 rows of 20 newsgroups). --quick takes 500
training rows and 500 test rows of each; --only takes stsb, mrpc or newsgroups20.
"""

import sys
import warnings
from pathlib import Path

import torch
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from nlptl import Frozen, FullFineTune, TextClassifier, TextRegressor, TransformerEncoder

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, read

NEWS = 2000
READINGS = {
    "frozen": {"transfer": Frozen()},
    "tuned, one by one": {"transfer": FullFineTune(), "pair_encoding": "separate"},
    "tuned, as one text": {"transfer": FullFineTune(), "pair_encoding": "joint"},
}


def main() -> int:
    settings = arguments(__doc__, only=("stsb", "mrpc", "newsgroups20"))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("finetune_tasks")
    most = 500 if settings.quick else None
    for task, measured in (("stsb", similarity), ("mrpc", paraphrases)):
        for named, options in READINGS.items() if settings.only in (None, task) else ():
            report.record(task=task, model=named, **measured(options, most))
    for transfer in (Frozen(), FullFineTune()) if settings.only in (None, "newsgroups20") else ():
        named = type(transfer).__name__
        figures = newsgroups(transfer, most or NEWS)
        report.record(task="newsgroups20, all ancestors", transfer=named, **figures)
        gain = figures["tuned thresholds"] - figures["thresholds of 0.5"]
        report.claim(f"{named}: tuned thresholds give {gain:+.3f} of macro-F1", gain >= 0)
    return report.finish()


def pairs(name: str, split: str, most: int | None):
    table = read(name, split)
    table = table if most is None else table.sample(min(most, len(table)), random_state=0)
    return list(zip(table["text_a"], table["text_b"], strict=True)), table


def similarity(options: dict, most: int | None) -> dict[str, float]:
    texts, table = pairs("stsb", "train", most)
    asked, truth = pairs("stsb", "test", most)
    name = next(n for n in ("score", "label", "similarity") if n in table)
    model = TextRegressor(**options).fit(texts, table[name].astype(float).tolist())
    return model.evaluate(asked, truth[name].astype(float).tolist())


def paraphrases(options: dict, most: int | None) -> dict[str, float]:
    texts, table = pairs("mrpc", "train", most)
    asked, truth = pairs("mrpc", "test", most)
    model = TextClassifier(**options).fit(texts, table["label_text"].tolist())
    results, positive = model.predict(asked), table["label_text"].mode()[0]
    right = truth["label_text"].to_numpy()
    return {
        "accuracy": float((results == right).mean()),
        "f1": float(f1_score(right == positive, results == positive)),
    }


def newsgroups(transfer, most: int) -> dict[str, float]:
    train = read("newsgroups20", "train").sample(most, random_state=0)
    test = read("newsgroups20", "test").sample(most, random_state=0)
    encoder = TransformerEncoder(max_length=128)
    model = TextClassifier(encoder, transfer=transfer, long_texts="cut")
    model.fit(train["text"].tolist(), ancestors(train["label_text"]))
    sure = model.predict_proba(test["text"].tolist())
    codes = MultiLabelBinarizer(classes=model.classes_.tolist())
    truth = codes.fit_transform(ancestors(test["label_text"]))
    tuned = sure >= model.fitted_.scorer.decision.thresholds
    return {
        "labels": len(model.classes_),
        "tuned thresholds": float(f1_score(truth, tuned, average="macro", zero_division=0)),
        "thresholds of 0.5": float(f1_score(truth, sure >= 0.5, average="macro", zero_division=0)),
    }


def ancestors(groups) -> list[list[str]]:
    """Return rec, rec.sport and rec.sport.hockey for the last of them."""
    parts = [str(group).split(".") for group in groups]
    return [[".".join(part[: i + 1]) for i in range(len(part))] for part in parts]


if __name__ == "__main__":
    sys.exit(main())

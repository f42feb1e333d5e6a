"""Claim: a cascade is three times as fast as its accurate model, and keeps its promised loss.

    NLPTL_DATA=... python recipes/benchmarks/serving/cascade.py
            [--quick] [--sets ...] [--models FOLDER] [--threads N]

1,000 labelled training texts: all weights of MiniLM are tuned on them. Its student on word vectors,
distilled on up to 4,000 other training texts, is the fast model. 1,500 more training texts are held
out for the threshold, with and without their labels; at most a quarter of the texts that are left,
which is fewer for trec and tweet_emotion. The maximum loss is half a point, or a whole point. Speed
is that of predict_proba on at most 1,000 test rows with an empty cache, the cascade and the
accurate model in turn, three times.

The promise is tried on 20 splits: the held-out and the test rows are divided at random into as many
rows for the threshold as before, and the others, on which the loss is measured.

ag_news and trec are claimed; banking77 and tweet_emotion are reported. --models keeps the tuned
models. --quick takes trec, 300 labels and one pass.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, alternate, median_ratio, read, test_rows

SETS = ("ag_news", "trec", "banking77", "tweet_emotion")
CLAIMED = ("ag_news", "trec")
LABELS, DISTILLED, HELD_OUT, SPLITS = 1000, 4000, 1500, 20
LOSSES = (0.005, 0.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="trec, 300 labels, one pass")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--models", metavar="FOLDER", help="where tuned models are kept")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false"}
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(options.threads)
    report, rows = Report("cascade"), []
    with tempfile.TemporaryDirectory() as place:
        models = Path(options.models or place)
        for name in ["trec"] if options.quick else options.sets:
            rows += measured(name, models, options, report)
    report.table(f"Cascades on {options.threads} threads", rows)
    return report.finish()


def measured(name: str, models: Path, options: argparse.Namespace, report: Report) -> list[dict]:
    """Fit both models of a set; measure speed, loss and the promise."""
    from nlptl import Cascade
    from nlptl.encoders.cache import without_cache

    (texts, labels), others, held_out = divided(name, options)
    accurate = accurate_model(name, texts, labels, models, options)
    fast = accurate.distill(others)
    test = test_rows(name)
    test_texts, truth = test["text"].tolist(), test["label_text"].tolist()
    alone, rows = accurate.score(test_texts, truth), []
    for max_loss in LOSSES:
        for labelled in (True, False):
            cascade = Cascade(fast, accurate, max_loss=max_loss)
            cascade.fit(held_out[0], held_out[1] if labelled else None)
            runs = {
                "accurate": lambda: accurate.predict_proba(test_texts),
                "cascade": lambda model=cascade: model.predict_proba(test_texts),
            }
            with without_cache():
                seconds = alternate(runs, 1 if options.quick else 3)
            times = median_ratio(seconds["accurate"], seconds["cascade"])
            metrics = cascade.evaluate(test_texts, truth)
            row = {"set": name, "max loss": max_loss, "labels": "yes" if labelled else "no"}
            row |= {"accurate alone": alone, "loss": alone - metrics["accuracy"]}
            row |= {"passed on": metrics["passed_on"], "times as fast": times}
            rows.append(row)
            report.record(**row)
            if name in CLAIMED and labelled and max_loss == LOSSES[0] and not options.quick:
                report.claim(f"{name}: {times:.1f} times as fast, at least 3", times >= 3)
            report.claim(f"{name}: {times:.2f} times as fast, never below .95", times >= 0.95)
    promise(name, (fast, accurate), held_out, (test_texts, truth), report)
    return rows


def divided(name: str, options: argparse.Namespace) -> tuple:
    """Divide the training rows: labelled ones, texts to distil on, and held-out rows."""
    train = read(name, "train").drop_duplicates("text").sample(frac=1, random_state=0)
    n_labels = 300 if options.quick else LABELS
    n_held_out = min(HELD_OUT, (len(train) - n_labels) // 4)
    first, second = n_labels, n_labels + n_held_out
    texts, labels = train["text"].tolist(), train["label_text"].tolist()
    held_out = texts[first:second], labels[first:second]
    return (texts[:first], labels[:first]), texts[second : second + DISTILLED], held_out


def accurate_model(name: str, texts: list, labels: list, models: Path, options: argparse.Namespace):
    """Tune MiniLM, or load the model of an earlier run."""
    from nlptl import FullFineTune, TextClassifier, TrainingConfig

    folder = models / f"{name}-{len(texts)}"
    if folder.is_dir():
        return TextClassifier.load(folder)
    training = TrainingConfig(epochs=1, quiet=True) if options.quick else TrainingConfig(quiet=True)
    model = TextClassifier(transfer=FullFineTune(), training=training).fit(texts, labels)
    model.save(folder)
    return model


def promise(name: str, models: tuple, held_out: tuple, test: tuple, report: Report) -> None:
    """Count the splits on which the loss is at most the promised one."""
    from nlptl.evaluation.answer_threshold import choose_threshold, losses_of

    texts, truth = held_out[0] + test[0], held_out[1] + test[1]
    codec = models[1].fitted_.codec
    chosen = [codec.encode(model.predict(texts)) for model in models]
    costs = losses_of(*chosen, codec.encode(truth, allow_unseen=True))
    n, sure = len(held_out[0]), models[0].predict_proba(texts).max(axis=1)
    for max_loss in LOSSES:
        losses = []
        for split in range(SPLITS):
            order = np.random.default_rng(split).permutation(len(texts))
            some, rest = order[:n], order[n:]
            threshold = choose_threshold(sure[some], costs[some], max_loss=max_loss, confidence=0.9)
            losses.append(float((costs[rest] * (sure[rest] >= threshold.value)).mean()))
        kept = int(np.sum(np.array(losses) <= max_loss))
        report.record(set=name, max_loss=max_loss, kept=kept, worst=max(losses))
        report.claim(
            f"{name}: a loss of {max_loss} is kept in {kept} of {SPLITS} splits, at least 18",
            kept >= 18,
        )


if __name__ == "__main__":
    sys.exit(main())

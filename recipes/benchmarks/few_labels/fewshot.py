"""Claim: with 8 labels per class, contrastive tuning reaches SetFit in a quarter of its time.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/fewshot.py
            [--quick] [--kept FILE] [--variants ...] [--sets ...] [--seeds ...]
            [--only shots|seconds|growth]

Six sets, 8 labels per class, 1,000 test rows, all-MiniLM-L6-v2. All methods get the same labelled
texts: logistic regression on frozen sentence vectors, SetFit with its defaults, Contrastive(), and
Auto() with the names of the classes. The budget of Auto() is four fifths of the seconds of SetFit,
at most four minutes.

There are ten draws. SetFit has five, and one of 1,500 steps on banking77, where its pairs would
take hours. Claims compare the draws that both methods have. --variants takes some of the methods.

Seconds are those of the fit, from texts to a model, without cached vectors, on the first draw of
each set except banking77. The methods take turns. Each has been fitted once before, so that no
import counts. SetFit writes no checkpoint. Nothing else should run.

Growth: 8 and 64 labels per class on four sets, each fit in a process of its own, with its seconds
and its peak memory. The seconds of SetFit with 64 labels are estimated from 300 of its steps.
--quick takes two sets and two seeds, and no growth.
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from nlptl import Auto, Contrastive, TextClassifier, TransformerEncoder, k_shot
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.evaluation.intervals import paired_interval
from nlptl.storage.places import cache_root

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, read, test_rows

SHOTS = 8
SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
LARGE = "banking77"
STEPS = {LARGE: 1500}
"""After which SetFit is stopped."""

GROWN, TIMED = 64, (10, 310)
GROWING = SETS[:4]
NAMES = {
    "trec": {
        "ABBR": "abbreviation",
        "DESC": "description and abstract concept",
        "ENTY": "entity",
        "HUM": "human being",
        "LOC": "location",
        "NUM": "numeric value",
    }
}
BUDGET, MOST = 0.8, 240.0
METHODS = ("SetFit", "frozen", "Contrastive", "Auto")


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        return alone(*sys.argv[2:])
    settings = arguments(
        __doc__, in_parts=True, only=("shots", "seconds", "growth"), variants=METHODS
    )
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("fewshot")
    kept = report.ledger(settings)
    parts = (settings.only,) if settings.only else ("shots", "seconds", "growth")
    if "shots" in parts:
        compare(settings, report, kept)
    if "seconds" in parts:
        time_fits(settings, report, kept)
    if "growth" in parts and not settings.quick:
        grow(settings.sets or GROWING, report, kept)
    return report.finish()


def compare(settings: argparse.Namespace, report: Report, kept: Kept) -> None:
    """Compare all methods with 8 labels per class."""
    names, seeds = (SETS[2:4], range(2)) if settings.quick else (SETS, range(10))
    names, seeds = settings.sets or names, settings.seeds or seeds
    results: dict[tuple[str, str], dict[int, dict[str, float]]] = {}
    for name, seed, method in itertools.product(names, seeds, settings.variants):
        peer = [entry["seconds"] for entry in results.get((name, "SetFit"), {}).values()]
        budget = min(BUDGET * float(np.mean(peer)), MOST) if peer else 0.0
        left_out = method == "SetFit" and seed >= (1 if name == LARGE else 5)
        if left_out or (method == "Auto" and not peer):  # in a part of a run none may be known
            continue
        measure = partial(measured, name, seed, method, budget)
        figures = kept.several(measure, set=name, seed=seed, method=method)
        results.setdefault((name, method), {})[seed] = figures
    rows = []
    for name in names:
        rows.append({"set": name})
        for method in settings.variants:
            baseline = results.get((name, method), {})
            rows[-1][method] = mean_of([entry["accuracy"] for entry in baseline.values()])
        report.record(**rows[-1])
    report.table(f"Accuracy with {SHOTS} labels per class, {len(seeds)} seeds", rows)
    if len(seeds) > 1 and len(names) > 1 and tuple(settings.variants) == METHODS:
        judge_all(results, rows, names, report)


def time_fits(settings: argparse.Namespace, report: Report, kept: Kept) -> None:
    """Compare the seconds of the fits on one draw of each set."""
    names = settings.sets or (SETS[2:4] if settings.quick else [n for n in SETS if n != LARGE])
    rows: list[dict] = []
    for name in names:
        rows.append({"set": name})
        for method in settings.variants:
            budget = min(BUDGET * rows[-1].get("SetFit", 0.0), MOST)
            measure = partial(measured, name, 0, method, budget)
            figures = kept.several(measure, set=name, seed=0, method=method, of="seconds")
            rows[-1][method] = figures["seconds"]
        report.record(**rows[-1])
    report.table("Seconds of a fit", rows)
    totals = {method: sum(row[method] for row in rows) for method in settings.variants}
    report.record(**totals)
    for method, most in (("Contrastive", 0.25), ("Auto", 1.0)):
        if {method, "SetFit"} <= totals.keys():
            share = totals[method] / totals["SetFit"]
            report.claim(
                f"{method} takes {share:.2f} of SetFit's seconds, at most {most}", share <= most
            )
    if {"Contrastive", "SetFit"} <= totals.keys():
        slower = [row["set"] for row in rows if row["Contrastive"] > row["SetFit"]]
        report.claim(f"Contrastive is slower than SetFit on {slower or 'no set'}", not slower)


def mean_of(figures: Sequence[float]) -> float:
    """Return the mean, or nan without figures."""
    return float(np.mean(figures)) if len(figures) else float("nan")


def grow(names: Sequence[str], report: Report, kept: Kept) -> None:
    """Compare how seconds and memory grow from 8 labels per class to 64."""
    rows = []
    for name in names:
        row: dict[str, float | str] = {"set": name}
        for method in ("Contrastive", "SetFit"):
            for shots in (SHOTS, GROWN):
                measure = partial(in_a_process, name, method, shots)
                record = kept.several(measure, set=name, shots=shots, method=method, of="growth")
                row[f"{method} {shots}, s"] = record["seconds"]
                row[f"{method} {shots}, MiB"] = record["MiB"]
        rows.append(row)
        report.record(**row)
        growth = float(row[f"Contrastive {GROWN}, s"]) / float(row[f"Contrastive {SHOTS}, s"])
        most = GROWN / SHOTS
        report.claim(f"{name}: {growth:.1f} times as long, at most {most:.0f}", growth <= most)
    report.table("Seconds and peak memory as labels grow", rows)


def in_a_process(name: str, method: str, shots: int) -> dict[str, float]:
    """Fit in a process of its own."""
    settings = [sys.executable, __file__, "--one", name, method, str(shots)]
    done = subprocess.run(settings, capture_output=True, text=True, check=True)
    record: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return record


def alone(name: str, method: str, shots: str) -> int:
    """Fit once, and print seconds and peak memory; SetFit's are estimated from some steps."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    pool = read(name, "train")
    train = pool.iloc[k_shot(pool["label_text"], int(shots), seed=0)]
    warm(method)
    with without_vectors():
        began = time.perf_counter()
        if method == "SetFit" and int(shots) == GROWN:
            texts, labels = train["text"].tolist(), train["label_text"].tolist()
            seconds = timed_setfit(texts, labels)
        else:
            fitted(name, train, 0, method, 0.0)
            seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "MiB": peak}) + "\n")
    return 0


def judge_all(results: dict, rows: list[dict], names: list[str], report: Report) -> None:
    """Make the claims."""
    report.record(**{m: float(np.mean([row[m] for row in rows])) for m in METHODS})
    differences = {
        ours: [np.mean(against(results, n, ours)) for n in names] for ours in METHODS[2:]
    }
    gain, better = (float(np.mean(differences[ours])) for ours in METHODS[2:])
    report.claim(f"Contrastive less SetFit on the same shots, mean {gain:+.4f}", gain >= 0)
    report.claim(
        f"Auto less SetFit on the same shots, mean {better:+.4f}, at least +.015", better >= 0.015
    )
    for ours in METHODS[2:]:
        gains = [against(results, name, ours) for name in names if name != LARGE]
        interval = paired_interval(np.mean(gains, axis=0))
        report.claim(f"{ours} less SetFit, mean of {len(gains)} sets {interval}", interval.low > 0)
    for ours in ("Contrastive", "Auto"):
        for name in names:
            each = against(results, name, ours)
            if len(each) > 1:
                interval = paired_interval(each)
                report.claim(f"{name}: {ours} less SetFit {interval}", interval.high >= 0)


def against(results: dict, name: str, ours: str) -> np.ndarray:
    """Return the accuracies less those of SetFit on the same shots."""
    baseline, other = results[name, ours], results[name, "SetFit"]
    both = sorted(set(baseline) & set(other))
    return np.array([baseline[s]["accuracy"] - other[s]["accuracy"] for s in both])


def measured(name: str, seed: int, method: str, budget: float) -> dict[str, float]:
    """Fit on one draw of shots; give the accuracy on the test rows and the seconds of the fit."""
    pool, test = read(name, "train"), test_rows(name)
    train = pool.iloc[k_shot(pool["label_text"], SHOTS, seed=seed)]
    warm(method)
    with without_vectors():
        began = time.perf_counter()
        answer = fitted(name, train, seed, method, budget)
        seconds = time.perf_counter() - began
    right = np.array(answer(test["text"].tolist())) == test["label_text"].to_numpy()
    return {"accuracy": float(right.mean()), "seconds": seconds}


@contextmanager
def without_vectors() -> Iterator[None]:
    """Return a cache without vectors, which knows what the processor computes well in."""
    with tempfile.TemporaryDirectory() as empty:
        reference = cache_root() / "precision"
        if reference.is_dir():
            shutil.copytree(reference, Path(empty) / "precision")
        before = os.environ.get("NLPTL_CACHE")
        os.environ["NLPTL_CACHE"] = empty
        try:
            yield
        finally:
            os.environ.pop("NLPTL_CACHE")
            os.environ |= {} if before is None else {"NLPTL_CACHE": before}


@cache
def warm(method: str) -> None:
    """Fit once on next to nothing: imports and the first reading of weights count for no one."""
    few = pd.DataFrame({"text": list("abcd"), "label_text": ["x", "y", "x", "y"]})
    fitted("", few, 0, method, 0.1)


def fitted(name: str, train: pd.DataFrame, seed: int, method: str, budget: float):
    """Return what answers for texts."""
    texts, labels = train["text"].tolist(), train["label_text"].tolist()
    if method == "SetFit":
        model, trainer = trainer_of(texts, labels, seed, STEPS.get(name, -1))
        trainer.train()
        return lambda asked: list(model.predict(asked))
    if method == "frozen":
        encoder = TransformerEncoder()
        head = LogisticRegression(max_iter=1000).fit(encoder.transform(texts), labels)
        return lambda asked: head.predict(encoder.transform(asked))
    named = NAMES.get(name, ())
    transfer = Contrastive() if method == "Contrastive" else Auto(budget, named)
    return TextClassifier(transfer=transfer, seed=seed).fit(texts, labels).predict


def timed_setfit(texts: list[str], labels: list[str]) -> float:
    """Time some of SetFit's steps, and return the estimated seconds of all its steps.

    A second, longer run separates the steps from work that is done once: pairs and the head.
    """
    counts = np.unique(labels, return_counts=True)[1]
    alike = int((counts * (counts + 1) // 2).sum())
    unlike = len(labels) * (len(labels) + 1) // 2 - alike
    seconds = []
    for steps in TIMED:
        _, trainer = trainer_of(texts, labels, 0, steps)
        began = time.perf_counter()
        trainer.train()
        seconds.append(time.perf_counter() - began)
    every = 2 * max(alike, unlike) / trainer.args.embedding_batch_size  # the fewer are repeated
    a_step = (seconds[1] - seconds[0]) / (TIMED[1] - TIMED[0])
    return seconds[1] + a_step * max(every - TIMED[1], 0.0)


def trainer_of(texts: list[str], labels: list[str], seed: int, steps: int):
    """Make SetFit's model and trainer."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    names = sorted(set(labels))
    model = SetFitModel.from_pretrained(str(find_encoder(None).path), labels=names)
    options = {"report_to": "none", "show_progress_bar": False, "max_steps": steps}
    codes = [names.index(label) for label in labels]
    data = Dataset.from_dict({"text": texts, "label": codes})
    settings = TrainingArguments(seed=seed, save_strategy="no", **options)
    return model, Trainer(model=model, args=settings, train_dataset=data)


if __name__ == "__main__":
    sys.exit(main())

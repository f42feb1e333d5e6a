"""Claim: tasks that share an encoder lose nothing, because a task is kept alone if that is better.

    NLPTL_DATA=... python recipes/benchmarks/tasks/multitask.py
            [--quick] [--kept FILE] [--seeds ...] [--only together|small|cost|later|replay]

Seven tasks (sst2, trec, tweet_emotion, cola, mrpc, rte, stsb), 1,500 training rows each (a seed
takes about an hour on a thread), all-MiniLM-L6-v2, three seeds that draw the rows; each task by its
usual figure, times 100: accuracy, macro-F1 (tweet_emotion), Matthews correlation (cola), Pearson
correlation (stsb). Alone, a task takes as many optimiser steps as the joint training took with it,
with the same settings.

together: each task as the gate left it against itself alone, on up to 1,000 test rows.
small: tweet_emotion and rte with 200 rows each, the other five with 750. Alone is then a model of
its own on these rows, by default: TextClassifier(transfer=FullFineTune()). The joint
model of all tasks, without a gate, shows the gain from the other tasks.
cost: texts per second of the four tasks of single texts on one encoder, against four models; what
is stored. later: an eighth task (tweet_irony) is added, and the seven stay as they are to the last
bit. replay: the shared encoder learns it on, with 300 rows of each of the seven.
--quick takes 300 rows of each task and two seeds.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from nlptl import (
    FullFineTune,
    MultiTaskModel,
    Task,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, read, test_rows

METRICS = {
    "sst2": "accuracy",
    "trec": "accuracy",
    "tweet_emotion": "macro_f1",
    "cola": "matthews",
    "mrpc": "accuracy",
    "rte": "accuracy",
    "stsb": "pearson",
}
SMALL = ("tweet_emotion", "rte")
SINGLE = ("sst2", "trec", "tweet_emotion", "cola")
SECRET = ("cola", "rte")
LATER = "tweet_irony"
MOST, NEAR, FEW, QUICK = 1_500, 750, 200, 300
WHOLE = "joint, all rows"
VARIANTS = ("joint", "frozen", "polished", "alone", "kept", WHOLE)
# Of a small task joint, frozen and polished learnt from three quarters of the rows.


def main() -> int:
    parts = ("together", "small", "cost", "later", "replay")
    options = arguments(__doc__, in_parts=True, only=parts)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("multitask")
    kept = report.ledger(options)
    seeds = options.seeds or range(2 if options.quick else 3)
    most = QUICK if options.quick else MOST
    sizes = dict.fromkeys(METRICS, most)
    if options.only in (None, "together"):
        compare("together", sizes, seeds, tuple(METRICS), report=report, kept=kept)
    if options.only in (None, "small"):
        few = dict.fromkeys(METRICS, min(most, NEAR)) | dict.fromkeys(SMALL, FEW)
        compare("small", few, seeds, SMALL, report=report, kept=kept)
    further = {"cost": cost, "replay": replayed, "later": later}
    if options.only is None or options.only in further:
        once = TrainingConfig(refit=False)  # what costs are measured on
        model = fitted(dict.fromkeys(METRICS, QUICK), 0, gate=False, training=once)
        for name, part in further.items():
            if options.only in (None, name):
                part(model, report)
    return report.finish()


def compare(part: str, sizes: dict, seeds, shown: tuple, *, report: Report, kept: Kept) -> None:
    """Hold tasks as the gate left them against themselves alone."""
    results = []
    for seed in seeds:
        asked_for = {"part": part, "seed": seed, "rows": max(sizes.values())}
        figures = kept.several(lambda s=seed: measured(sizes, s), **asked_for)
        if part == "small":
            asked_for["part"] = f"{part}, {WHOLE}"
            figures |= kept.several(lambda s=seed: learnt_whole(sizes, s, shown), **asked_for)
        results.append(figures)
        report.record(part=part, seed=seed, **figures)
    rows = []
    for name in shown:
        row = {"task": name}
        for variant in VARIANTS:
            row[variant] = float(
                np.mean([entry.get(f"{name} {variant}", np.nan) for entry in results])
            )
        row["gate kept"] = ", ".join(entry[f"{name} choice"] for entry in results)
        rows.append(row)
    report.table(f"{part}: test figures, {len(results)} seeds", rows)
    if len(results) > 1:
        gains_by_task = {n: gains(results, n, "kept") for n in shown}
        if part == "small":
            for name in shown:
                gain = paired_interval(gains(results, name, WHOLE))
                report.record(part=part, task=name, joint_on_all_rows_less_alone=str(gain))
        for name, each in gains_by_task.items():
            interval = paired_interval(each)
            report.claim(f"{part}, {name}: kept less alone {interval}", interval.high >= 0)
        mean = paired_interval(np.mean(list(gains_by_task.values()), axis=0))
        report.claim(f"{part}: mean over tasks, kept less alone {mean}", mean.value >= 0)


def gains(results: list[dict], name: str, variant: str) -> np.ndarray:
    """Return by how much a variant of a task is above itself alone, seed by seed."""
    return np.array([entry[f"{name} {variant}"] - entry[f"{name} alone"] for entry in results])


def learnt_whole(sizes: dict, seed: int, judged: tuple) -> dict:
    """Learn together from every row, without a gate; give test figures, times 100."""
    model = fitted(sizes, seed, gate=False)
    return {
        f"{name} {WHOLE}": 100 * model.models_[name].evaluate(*asked(name))[METRICS[name]]
        for name in judged
    }


def measured(sizes: dict, seed: int) -> dict:
    """Fit once, and score every variant of every task on its test rows, times 100."""
    began = time.perf_counter()
    small = [name for name, most in sizes.items() if most == FEW]
    judged = small or list(sizes)
    model = fitted(sizes, seed, gate=judged)
    figures: dict = {"seconds": time.perf_counter() - began}
    for name in judged:
        metric, (texts, answers) = METRICS[name], asked(name)
        baseline, verdict = model.models_[name], model.comparisons_[name]
        figures[f"{name} kept"] = 100 * baseline.evaluate(texts, answers)[metric]
        chosen = baseline.fitted_
        for variant, state in model.variants_[name].items():
            baseline.fitted_ = state
            figures[f"{name} {variant}"] = 100 * baseline.evaluate(texts, answers)[metric]
            figures[f"{name} {variant} held out"] = 100 * verdict.figures[variant]
        baseline.fitted_ = chosen
        if name in small:
            alone = TextClassifier(
                TransformerEncoder(cache=None), transfer=FullFineTune(), seed=seed
            )
            alone.fit(*learnt(name, FEW, seed))
            figures[f"{name} alone"] = 100 * alone.evaluate(texts, answers)[metric]
        figures[f"{name} choice"] = verdict.kept
        figures[f"{name} says"] = verdict.outcome
        figures[f"{name} steps"] = model.steps_[name]
    figures |= {"passes": model.passes(), "passes of pairs": model.passes(pairs=True)}
    with tempfile.TemporaryDirectory() as folder:
        figures["MiB"] = size(model.save(Path(folder) / "whole"))
    return figures


def fitted(sizes: dict, seed: int, *, gate: bool | list, training=None) -> MultiTaskModel:
    """Fit on rows drawn by the seed."""
    tasks = {
        name: Task("regression" if name == "stsb" else "single_label", metric=metric)
        for name, metric in METRICS.items()
    }
    data = {name: learnt(name, sizes[name], seed) for name in METRICS}
    encoder = TransformerEncoder(cache=None)
    model = MultiTaskModel(tasks, encoder=encoder, seed=seed, gate=gate, training=training)
    return model.fit(data)


def learnt(name: str, most: int, seed: int):
    """Draw training rows."""
    table = read(name, "train")
    return columns(table.sample(min(most, len(table)), random_state=seed))


def asked(name: str):
    """Return the test rows; of cola and rte, whose tests are secret, those for validation."""
    return columns(read(name, "validation") if name in SECRET else test_rows(name))


def columns(table):
    """Return texts, or pairs of them, and answers."""
    if "text_a" in table:
        texts = list(zip(table["text_a"], table["text_b"], strict=True))
    else:
        texts = table["text"].tolist()
    if "score" in table:
        return texts, table["score"].astype(float).tolist()
    return texts, table["label_text"].tolist()


def cost(model: MultiTaskModel, report: Report) -> None:
    """Time four tasks on one encoder against four models, and weigh what is stored."""
    texts = [text for name in SINGLE for text in asked(name)[0][:250]]
    separate = {
        name: TextClassifier(TransformerEncoder(cache=None)).fit(*learnt(name, QUICK, 0))
        for name in SINGLE
    }
    for name, baseline in separate.items():  # the same kind of encoder as the shared one
        baseline.fitted_ = model.models_[name].fitted_
    runs = {
        "together": lambda: model.predict(texts, tasks=SINGLE),
        "separate": lambda: [baseline.predict(texts) for baseline in separate.values()],
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(6):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    ratio = float(np.median(np.array(seconds["separate"]) / np.array(seconds["together"])))
    report.record(texts=len(texts), **{n: float(np.median(s)) for n, s in seconds.items()})
    wanted = 0.85 * len(SINGLE)
    report.claim(f"{ratio:.2f} times the texts per second, at least {wanted:.1f}", ratio >= wanted)
    with tempfile.TemporaryDirectory() as folder:
        whole = size(model.save(Path(folder) / "whole"))
        single = size(model.models_["sst2"].save(Path(folder) / "one"))
    report.record(MiB_together=whole, MiB_of_one=single, passes=model.passes())


def later(model: MultiTaskModel, report: Report) -> None:
    """Add an eighth task, and see that the seven stay as they are."""
    texts = {name: asked(name)[0][:200] for name in METRICS}
    before = {name: model.outputs(some, tasks=[name])[name] for name, some in texts.items()}
    data, test = learnt(LATER, MOST, 0), asked(LATER)
    for how in ("head", "adapter"):
        model.add_task(f"irony, {how}", "single_label", data, how=how)
        figure = model.evaluate({f"irony, {how}": test})[f"irony, {how}"]["accuracy"]
        report.record(added=how, accuracy=figure)
    same = [
        np.array_equal(model.outputs(some, tasks=[name])[name], before[name])
        for name, some in texts.items()
    ]
    report.claim(f"{sum(same)} of {len(same)} tasks answer as before, to the last bit", all(same))


def replayed(model: MultiTaskModel, report: Report) -> None:
    """Let the shared encoder learn an eighth task, with rows of the seven."""
    data, test = learnt(LATER, MOST, 0), asked(LATER)
    figures = model.evaluate({name: asked(name) for name in METRICS})
    replay = {name: learnt(name, QUICK, 1) for name in METRICS}
    model.add_task(LATER, "single_label", data, how="encoder", replay=replay)
    again = model.evaluate({name: asked(name) for name in METRICS} | {LATER: test})
    report.record(added="encoder", accuracy=again[LATER]["accuracy"])
    for name, metric in METRICS.items():
        aside, gain = not model.changes_[name].accepted, model.changes_[name].gain
        was, became = 100 * figures[name][metric], 100 * again[name][metric]
        report.record(task=name, before=was, after=became, held_out=str(gain), aside=aside)


def size(folder: Path) -> float:
    """Return what a folder holds, in MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


if __name__ == "__main__":
    sys.exit(main())

"""Claim: asking the labelled rows loses next to nothing against the better of always and never.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/gate.py [--quick] [--kept FILE]
            [--sets ...] [--seeds ...] [--variants ...] [--only decisions|experience]

Experience: what each trick gained on 800 other training rows of each set, seed by seed. No test row
takes part. The mean and the spread over sets, rounded, are what EXPERIENCE of the gate holds, and
with few rows they weigh much.

Decisions: for each set and each trick, 8 labels per class: what the gate decides by repeated splits
of the labelled rows and that experience, and what 1,000 test rows say that it should have decided.
Tricks are the names of the classes, edited copies, contrastive tuning, and self-training on 500
texts without labels, each against the frozen encoder. The score after the gate is that of the trick
where the gate opened, and that of the frozen encoder elsewhere; the regret is what the better of
the two had more. Five draws; four rounds of splits as Auto takes them, and one of many rows
(banking77); contrastive tuning is judged by one round of four, which takes minutes. Beside it
stands what the gate would have decided if it knew only what was gained on the other sets.
--quick takes two draws and no contrastive tuning.
"""

import argparse
import sys
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from fewshot import NAMES

from nlptl import (
    Contrastive,
    Corpus,
    LabelMeaning,
    SelfTraining,
    Splits,
    TextClassifier,
    Verdict,
    WordEdits,
    judge,
)
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.prior_gains import PriorGain
from nlptl.transfer.registry import methods_by_name

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments, few_and_others, test_rows

SHOTS, UNLABELLED, JUDGED, MANY = 8, 500, 800, 200
SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
TRICKS = ("names", "word edits", "self-training", "contrastive")


def main() -> int:
    options = arguments(__doc__, in_parts=True, variants=TRICKS, only=("decisions", "experience"))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = options.seeds or range(2 if options.quick else 5)
    report = Report("gate")
    kept = report.ledger(options)
    gains = {} if options.only == "decisions" else tell_experience(options, seeds, report, kept)
    if options.only != "experience":
        tell_decisions(options, seeds, gains, (report, kept))
    return report.finish()


METHOD = {"names": "meaning", "word edits": "edits", "self-training": "selftraining"}
"""The method that a trick of the ledger is, where their names differ."""


def prior_gain(trick: str) -> PriorGain:
    """Return the gain that Auto expects before it has seen a row."""
    return PriorGain(*methods_by_name()[METHOD.get(trick, trick)].prior_gain)


def tell_experience(
    options: argparse.Namespace, seeds: Iterable[int], report: Report, kept: Kept
) -> dict[str, dict[str, float]]:
    """Return what each trick gained on training rows; say whether that is what the gate knows."""
    rows, gains = [], {}
    for trick in options.variants[:3] if options.quick else options.variants:
        means = {}
        for name in options.sets or SETS:
            each = [
                kept.once(
                    partial(gained, name, seed, trick), set=name, seed=seed, of=f"{trick}, gain"
                )
                for seed in seeds
            ]
            means[name] = float(np.mean(each))
        gains[trick] = means
        mean, spread = np.mean(list(means.values())), np.std(list(means.values()), ddof=1)
        reference = prior_gain(trick)
        rows.append({"trick": trick, **means, "mean": float(mean), "spread": float(spread)})
        rows[-1] |= {"held": f"{reference.gain:+.3f}, {reference.spread:.3f}"}
        report.record(**rows[-1])
        near = abs(mean - reference.gain) < 0.01 and abs(spread - reference.spread) < 0.015
        report.claim(f"{trick}: {mean:+.3f}, spread {spread:.3f}, is what the gate knows", near)
    report.table("What was gained on training rows", rows)
    return gains


def tell_decisions(
    options: argparse.Namespace,
    seeds: Iterable[int],
    gains: dict[str, dict[str, float]],
    to: tuple[Report, Kept],
) -> None:
    """Hold what the gate decides against what test rows say."""
    report, kept = to
    for trick in options.variants[:3] if options.quick else options.variants:
        rows = []
        for name in options.sets or SETS:
            elsewhere = [gain for other, gain in gains.get(trick, {}).items() if other != name]
            reference = prior_gain(trick)
            prior_of_others = reference
            if len(elsewhere) > 1:
                prior_of_others = PriorGain(
                    float(np.mean(elsewhere)), float(np.std(elsewhere, ddof=1))
                )
            for seed in seeds:
                measure = partial(measured, name, seed, trick)
                results = kept.several(measure, set=name, seed=seed, of=trick)
                seen = Interval(results["gain"], results["low"], results["high"])
                verdict = Verdict.decide(["with", "without"], np.zeros((0, 2)), {"with": seen})
                opens = verdict.with_prior(reference).accepted
                elsewhere_opens = verdict.with_prior(prior_of_others).accepted
                rows.append(
                    {"set": name, **results, "opens": opens, "opens by others": elsewhere_opens}
                )
        judge_trick(trick, rows, report)


def judge_trick(trick: str, rows: list[dict], report: Report) -> None:
    """Report what the gate was worth for one trick, set by set and over all."""
    table = []
    for name in dict.fromkeys(row["set"] for row in rows):
        baseline = [row for row in rows if row["set"] == name]
        with_it, without = (np.array([row[key] for row in baseline]) for key in ("with", "without"))
        opened = np.array([row["opens"] for row in baseline], bool)
        gated = np.where(opened, with_it, without)
        by_others = np.where([row["opens by others"] for row in baseline], with_it, without)
        right = opened == (with_it >= without)
        table.append(
            {
                "set": name,
                "never": float(without.mean()),
                "always": float(with_it.mean()),
                "gated": float(gated.mean()),
                "by other sets": float(by_others.mean()),
                "opened": f"{opened.sum()} of {len(baseline)}",
                "rightly": f"{right.sum()} of {len(baseline)}",
                "regret": float((np.maximum(with_it, without) - gated).mean()),
            }
        )
        report.record(trick=trick, **table[-1])
    report.table(f"{trick}: what the gate decided", table)
    keys = ("never", "always", "gated", "by other sets")
    never, always, gated, by_others = (float(np.mean([row[key] for row in table])) for key in keys)
    regret = float(np.mean([row["regret"] for row in table]))
    report.claim(
        f"{trick}: gated {gated:.4f}, always {always:.4f}, never {never:.4f}; regret {regret:.4f}",
        gated >= max(never, always) - 0.003,
    )
    report.claim(
        f"{trick}: gated {by_others:.4f} where a set's own experience is left out",
        by_others >= max(never, always) - 0.003,
    )


def gained(name: str, seed: int, trick: str) -> float:
    """Return the gain on training rows that were not learnt from."""
    options, (texts, labels) = few_and_others(name, SHOTS, UNLABELLED + JUDGED, 100 + seed)
    plain, tried, more = both(name, seed, trick, texts[:UNLABELLED])
    asked = texts[UNLABELLED:], labels[UNLABELLED:]
    return tried.fit(*options, **more).score(*asked) - plain.fit(*options).score(*asked)


def both(name: str, seed: int, trick: str, others: list[str]):
    """Return the model without the trick, the one with it, and what else it is given."""
    transfer = {
        "names": LabelMeaning(NAMES.get(name, ())),
        "word edits": WordEdits(),
        "self-training": SelfTraining(),
        "contrastive": Contrastive(),
    }[trick]
    more = {"unlabeled": Corpus(others)} if trick == "self-training" else {}
    return TextClassifier(seed=seed), TextClassifier(transfer=transfer, seed=seed), more


def measured(name: str, seed: int, trick: str) -> dict[str, float]:
    """Ask the gate on one draw, then the test rows; give the gain it saw and both accuracies."""
    test = test_rows(name)
    options, (others, _) = few_and_others(name, SHOTS, UNLABELLED, seed)
    asked, truth = test["text"].tolist(), test["label_text"].tolist()
    plain, tried, more = both(name, seed, trick, others)
    splits = Splits(5, 4 if len(options[0]) < MANY else 1)
    if trick == "contrastive":
        splits = Splits(4, 1)
    verdict = judge(
        {"with": tried, "without": plain},
        *options,
        splits=splits,
        fit_params={"with": more},
    )
    return {
        "gain": verdict.gain.value,
        "low": verdict.gain.low,
        "high": verdict.gain.high,
        "with": tried.fit(*options, **more).score(asked, truth),
        "without": plain.fit(*options).score(asked, truth),
    }


if __name__ == "__main__":
    sys.exit(main())

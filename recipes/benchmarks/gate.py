"""Claim: asking the rows at hand loses next to nothing against the better of always and never.

    NLPTL_DATA=... python recipes/benchmarks/gate.py [--quick] [--kept FILE]
                                                     [--sets ...] [--seeds ...] [--variants ...]

For each set and each trick, 8 labels a class: what the gate decides by repeated splits of the
labelled rows alone, and what 1,000 test rows say that it should have decided. Tricks are the names
of the classes, edited copies, contrastive tuning, and self-training on 500 texts without labels,
each against the frozen encoder. The score after the gate is that of the trick where the gate
opened, and that of the frozen encoder elsewhere; the regret is what the better of the two had
more. Five draws; contrastive tuning is judged by one round of splits, which takes minutes.
--quick takes two draws and no contrastive tuning.
"""

import sys
import warnings
from functools import partial

import numpy as np
import torch
from fewshot import NAMES
from material import Kept, Report, arguments, few_and_others, test_rows

from nlptl import Contrastive, Corpus, LabelMeaning, SelfTraining, TextClassifier, WordEdits
from nlptl.evaluation.gate import Splits, judge

SHOTS, UNLABELLED = 8, 500
SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
TRICKS = ("names", "word edits", "self-training", "contrastive")


def main() -> int:
    given = arguments(__doc__, in_parts=True, variants=TRICKS)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    seeds = given.seeds or range(2 if given.quick else 5)
    report, kept = Report("gate"), Kept(given.kept)
    for trick in given.variants[:3] if given.quick else given.variants:
        rows = []
        for name in given.sets or SETS:
            for seed in seeds:
                found = kept.several(
                    partial(measured, name, seed, trick), set=name, seed=seed, of=trick
                )
                rows.append({"set": name, **found})
        judge_trick(trick, rows, report)
    return report.finish()


def judge_trick(trick: str, rows: list[dict], report: Report) -> None:
    """Say what the gate was worth for one trick, set by set and over all."""
    table = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        with_it, without = (np.array([row[key] for row in own]) for key in ("with", "without"))
        opened = np.array([row["opens"] for row in own], bool)
        gated = np.where(opened, with_it, without)
        right = opened == (with_it >= without)
        table.append(
            {
                "set": name,
                "never": float(without.mean()),
                "always": float(with_it.mean()),
                "gated": float(gated.mean()),
                "opened": f"{opened.sum()} of {len(own)}",
                "rightly": f"{right.sum()} of {len(own)}",
                "regret": float((np.maximum(with_it, without) - gated).mean()),
            }
        )
        report.record(trick=trick, **table[-1])
    report.table(f"{trick}: what the gate decided", table)
    never, always, gated = (
        float(np.mean([row[key] for row in table])) for key in ("never", "always", "gated")
    )
    regret = float(np.mean([row["regret"] for row in table]))
    report.claim(
        f"{trick}: gated {gated:.4f}, always {always:.4f}, never {never:.4f}; regret {regret:.4f}",
        gated >= max(never, always) - 0.003,
    )


def measured(name: str, seed: int, trick: str) -> dict[str, float]:
    """Ask the gate on one draw, then the test rows; give the gain it saw and both accuracies."""
    test = test_rows(name)
    given, (others, _) = few_and_others(name, SHOTS, UNLABELLED, seed)
    asked, truth = test["text"].tolist(), test["label_text"].tolist()
    transfer = {
        "names": LabelMeaning(NAMES.get(name, ())),
        "word edits": WordEdits(),
        "self-training": SelfTraining(),
        "contrastive": Contrastive(),
    }[trick]
    plain = TextClassifier(seed=seed)
    tried = TextClassifier(transfer=transfer, seed=seed)
    more = {"unlabeled": Corpus(others)} if trick == "self-training" else {}
    splits = Splits(4, 1) if trick == "contrastive" else Splits(5, 4)
    verdict = judge({"with": tried, "without": plain}, *given, splits=splits, given={"with": more})
    return {
        "gain": verdict.gain.value,
        "opens": float(verdict.opens),
        "with": tried.fit(*given, **more).score(asked, truth),
        "without": plain.fit(*given).score(asked, truth),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Claim: after contrastive tuning with class names, the temperature halves the calibration error.

    NLPTL_DATA=... python recipes/benchmarks/few_labels/confidence.py
            [--quick] [--kept FILE] [--sets ...] [--seeds ...] [--only test|rule]

Five sets, 8 labels per class, three draws, at most 1,000 test rows. No rows can be held out after
a contrastive tuning, so that the temperature of LabelMeaning() depends on the number of classes
only. The rule was chosen on training rows of other draws, after a constant had failed on the test
rows of banking77. --only rule shows the best temperature of each set on 600 training rows, with
another draw. The calibration error is the mean difference between confidence and
accuracy in 15 bins. "At 1" is the same model without the temperature. --quick takes one draw of two
sets.
"""

import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nlptl import Contrastive, LabelMeaning, TextClassifier
from nlptl.evaluation.intervals import paired_interval
from nlptl.evaluation.metrics import measure
from nlptl.heads.calibration.decision import best_temperature

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from fewshot import NAMES
from material import Kept, Report, arguments, few_and_others, test_rows

SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77")
SHOTS, DRAWS, DRAW_OF_THE_RULE = 8, 3, 101
METHODS = ("Contrastive", "Contrastive, LabelMeaning")
FIGURES = ("accuracy", "error", "error at 1", "loss", "loss at 1")


def main() -> int:
    options = arguments(__doc__, in_parts=True, only=("test", "rule"))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    report = Report("confidence")
    kept, names = report.ledger(options), options.sets or (SETS[:2] if options.quick else SETS)
    if options.only != "test":
        compare_rule(report, kept, names)
    if options.only != "rule":
        measure_errors(report, kept, names, options)
    return report.finish()


def compare_rule(report: Report, kept: Kept, names: Sequence[str]) -> None:
    """Show the temperature with the lowest log loss on training rows beside that of the rule."""
    rows = []
    for name in names:
        figures = kept.several(partial(best, name), set=name, seed=DRAW_OF_THE_RULE, part="rule")
        rows.append({"set": name, **figures})
        report.record(**rows[-1])
    report.table("Best temperature on training rows", rows)


def best(name: str) -> dict[str, float]:
    """Return the best temperature of a fit on other training rows, and that of the rule."""
    few, (texts, labels) = few_and_others(name, SHOTS, 600, DRAW_OF_THE_RULE)
    model = fitted(METHODS[1], name, few, DRAW_OF_THE_RULE)
    rule = model.fitted_.scorer.decision.temperature
    logits = rule * np.log(np.maximum(model.predict_proba(texts), 1e-30))
    codes = np.searchsorted(model.classes_, labels)
    return {"classes": len(model.classes_), "best": best_temperature(logits, codes), "rule": rule}


def measure_errors(report: Report, kept: Kept, names: Sequence[str], options: Namespace) -> None:
    """Measure the calibration errors on test rows."""
    rows = []
    seeds = options.seeds or range(1 if options.quick else DRAWS)
    cells = {
        (method, name): [
            kept.several(partial(one, method, name, s), set=name, seed=s, method=method)
            for s in seeds
        ]
        for method in METHODS
        for name in names
    }
    for (method, name), entries in cells.items():
        means = {figure: float(np.mean([e[figure] for e in entries])) for figure in FIGURES}
        rows.append({"set": name, "method": method, **means})
        report.record(**rows[-1])
    report.table(f"Confidence with {SHOTS} labels per class, {len(seeds)} draws", rows)
    named = [entry for name in names for entry in cells[METHODS[1], name]]
    now, before = (np.array([e[figure] for e in named]) for figure in ("error", "error at 1"))
    share = now.mean() / before.mean()
    report.claim(f"with names: {share:.2f} of the calibration error at 1, at most .6", share <= 0.6)
    gains = np.array([e["loss at 1"] - e["loss"] for e in named])
    if len(gains) > 1:
        interval = paired_interval(gains)
        report.claim(f"with names: log loss lower by {interval}, above 0", interval.low > 0)
    alone = np.mean([e["error"] for name in names for e in cells[METHODS[0], name]])
    report.claim(f"without names: calibration error {alone:.3f}, at most .1", alone <= 0.1)


def one(method: str, name: str, seed: int) -> dict[str, float]:
    """Fit to one draw and return the figures on test rows."""
    model = fitted(method, name, few_and_others(name, SHOTS, 1, seed)[0], seed)
    test = test_rows(name)
    probabilities = model.predict_proba(test["text"])
    truth = np.searchsorted(model.classes_, test["label_text"])
    powers = probabilities**model.fitted_.scorer.decision.temperature
    without = powers / powers.sum(axis=1, keepdims=True)
    now, before = (measure(truth, part, part.argmax(axis=1)) for part in (probabilities, without))
    return {
        "accuracy": now["accuracy"],
        "error": now["calibration_error"],
        "error at 1": before["calibration_error"],
        "loss": now["log_loss"],
        "loss at 1": before["log_loss"],
    }


def fitted(method: str, name: str, few: tuple[list, list], seed: int) -> TextClassifier:
    """Fit one method to labelled texts of a set."""
    record = NAMES.get(name) or {label: label for label in sorted(set(few[1]))}
    names = {label: text.replace("_", " ") for label, text in record.items()}
    transfer = [Contrastive(), LabelMeaning(names)] if "," in method else Contrastive()
    return TextClassifier(transfer=transfer, seed=seed).fit(*few)


if __name__ == "__main__":
    sys.exit(main())

"""Claim: learning languages together harms none that is judged, where labels are uneven.

    NLPTL_DATA=... python recipes/benchmarks/languages/languages.py
            [--quick] [--kept FILE] [--seeds ...]

Tweets (UMSAB, three classes), on the student of crosslingual.py that reads English, German, French
and Spanish (it is taught first, half an hour, where the cache does not have it). The languages have
1,800, 600, 200 and 60 labels, drawn by five seeds (--quick two). Macro-F1 on the 870 test tweets
of each: English labels alone (zero-shot), a classifier of the language's own labels, all labels
together (LanguageClassifier without its gate), and after its gate.

claims: after the gate no language is below its own classifier with an interval wholly below 0, and
the mean over languages is not below it.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from crosslingual import PIECES, STEPS, taught, tweets

from nlptl import Frozen, LanguageClassifier, TextClassifier, TransformerEncoder
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

SIZES = {"en": 1_800, "de": 600, "fr": 200, "es": 60}
WAYS = ("zero-shot", "own", "together", "gated")


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    report = Report("languages")
    kept = report.ledger(options)
    seeds = options.seeds or range(2 if options.quick else 5)
    teacher = TransformerEncoder()
    encoder, _ = taught(teacher, ("de", "fr", "es"), PIECES, STEPS)
    results = [kept.several(lambda s=seed: measured(encoder, s), seed=seed) for seed in seeds]
    rows = []
    for language, size in SIZES.items():
        row = {"language": language, "labels": size}
        row |= {
            way: 100 * float(np.mean([entry[f"{language} {way}"] for entry in results]))
            for way in WAYS
        }
        rows.append(row | {"kept": ", ".join(entry[f"{language} kept"] for entry in results)})
    report.table(f"macro-F1, {len(results)} draws", rows)
    gains = {n: [entry[f"{n} gated"] - entry[f"{n} own"] for entry in results] for n in SIZES}
    for name, each in gains.items():
        interval = paired_interval(np.array(each))
        report.claim(f"{name}: after the gate less its own {interval}", interval.high >= 0)
    mean = paired_interval(np.mean(list(gains.values()), axis=0))
    report.claim(f"mean over languages: after the gate less its own {mean}", mean.value >= 0)
    return report.finish()


def measured(encoder: TransformerEncoder, seed: int) -> dict:
    """Score every way of one draw."""
    rng = np.random.default_rng(seed)
    few = {name: drawn(name, most, rng) for name, most in SIZES.items()}
    texts = [text for baseline, _ in few.values() for text in baseline]
    labels = [label for _, baseline in few.values() for label in baseline]
    spoken = [name for name, (baseline, _) in few.items() for _ in baseline]
    base = TextClassifier(encoder, transfer=Frozen("top"), seed=seed)
    model = LanguageClassifier(base, seed=seed).fit(texts, labels, spoken)
    english = TextClassifier(encoder, transfer=Frozen("top"), seed=seed).fit(*few["en"])
    figures: dict = {}
    for name, baseline in few.items():
        alone = TextClassifier(encoder, transfer=Frozen("top"), seed=seed).fit(*baseline)
        asked = tweets("test", name)
        answers = {"zero-shot": english, "own": alone, "together": model.joint_}
        answers["gated"] = model.models_[name]
        for way, entry in answers.items():
            figures[f"{name} {way}"] = entry.evaluate(*asked)["macro_f1"]
        figures[f"{name} kept"] = model.comparisons_[name].kept
    return figures


def drawn(language: str, most: int, rng) -> tuple[list[str], list[str]]:
    """Draw labelled tweets of a language."""
    texts, labels = tweets("train", language)
    rows = rng.permutation(len(texts))[:most]
    return [texts[i] for i in rows], [labels[i] for i in rows]


if __name__ == "__main__":
    sys.exit(main())

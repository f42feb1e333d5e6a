"""Tables about other domains."""

from collections import defaultdict

import numpy as np

from ledger_tables.formats import ledger, rounded, table
from nlptl.evaluation.intervals import paired_interval

FROZEN = {
    "default": "recommended: `MeanAlignment`, `CoTraining`",
    "MeanAlignment": "`MeanAlignment`",
    "CORAL 0.25": "`CORAL(0.25)`",
    "CORAL 0.5": "`CORAL(0.5)`",
    "CORAL 1.0": "`CORAL(1.0)`",
    "CORAL auto": '`CORAL()`, strength "auto"',
    "DensityRatioWeights": "`DensityRatioWeights()`",
    "KernelMeanMatching": "`KernelMeanMatching()`",
    "SelfTraining, one round": "`SelfTraining()`, one round",
    "SelfTraining, growing": "`SelfTraining((.2, .4, .6, .8))`",
    "SelfTraining, soft": "the same, `soft=True`",
    "SelfTraining, estimated shares": 'the same, `class_shares="estimated"`',
    "CoTraining": "`CoTraining()` without `MeanAlignment`",
}
ALONE = {"minilm": "MiniLM alone, source alone", "tfidf": "word counts alone, source alone"}

TUNED = {
    "FineTuneFirst, CoTraining(all)": "`FineTuneFirst`, `MeanAlignment`, `CoTraining`",
    "FineTuneFirst, CoTraining": 'the same, `teachers="others"`',
}
LOSSES = (
    "source only",
    "ContinuedPretraining",
    "CORAL",
    "MMD",
    "ClassConfusion",
    "DomainAdversarial",
    "DomainAdversarial, conditional",
    "DomainAdversarial, weight 0.1",
    "DomainAdversarial, weight 1",
    "DomainAdversarial, conditional, weight 1",
)
PAIRS = (
    ("books", "kitchen"),
    ("dvd", "electronics"),
    ("electronics", "books"),
    ("kitchen", "dvd"),
)
SEEDS = (0, 1, 2)
SIZES = (20, 50, 100, 400)
WITH_LABELS = {
    "source only": "source alone",
    "target only": "target alone",
    "pooled": "`SourceRows(weight=1)`: source and target together",
    "SourceRows": "`SourceRows()`",
    "SourceRows(private=True)": "`SourceRows(private=True)`",
    "SourceHead": "`SourceHead()`",
}
COLUMNS = ["method", "mean", "worst pair", "gain", "worst gain of a pair"]


def frozen():
    """Return the accuracies of the methods on frozen features: 12 pairs, three draws."""
    entries = [entry for entry in ledger("domains/kept/domains.jsonl") if entry["part"] == "frozen"]
    entries = [entry for entry in entries if entry["rows"] == 1200]
    means = pair_means((entry["encoder"], entry["method"], entry) for entry in entries)
    base = means["fused", "source only"]
    rows = [row_of("source alone", base)]
    rows += [row_of(title, means["fused", name], base) for name, title in FROZEN.items()]
    rows += [row_of(title, means[encoder, "source only"]) for encoder, title in ALONE.items()]
    return table(COLUMNS, rows)


def pair_means(entries):
    """Return the mean accuracy of each pair over its draws, for each encoder and method."""
    cells = defaultdict(lambda: defaultdict(list))
    for encoder, method, entry in entries:
        cells[encoder, method][entry["source"], entry["target"]].append(entry["accuracy"])
    return {
        key: np.array([np.mean(pairs[pair]) for pair in sorted(pairs)])
        for key, pairs in cells.items()
    }


def row_of(title, accuracies, base=None):
    """Return a row: mean, worst pair, and the gains over ``base``."""
    row = [title, rounded(accuracies.mean()), rounded(accuracies.min())]
    if base is None:
        return [*row, "-", "-"]
    gains = accuracies - base
    return [*row, str(paired_interval(gains)), f"{gains.min():+.3f}"]


def tuned():
    """Return the accuracies after the encoder was tuned: 12 pairs, mean of three seeds."""
    of_seeds = [tuned_accuracies(seed) for seed in SEEDS]
    pairs = sorted({(s, t) for s, t, method in of_seeds[0] if method == "source only"})
    cells = {
        method: np.array(
            [np.mean([accuracies[(*pair, method)] for accuracies in of_seeds]) for pair in pairs]
        )
        for method in ("source only", *TUNED)
    }
    base = cells["source only"]
    rows = [row_of("tuned on the source alone", base)]
    rows += [row_of(title, cells[method], base) for method, title in TUNED.items()]
    return table(COLUMNS, rows)


def tuned_accuracies(seed=0):
    """Return the accuracy for each source, target and method, with a seed."""
    figures = {}
    for entry in ledger("domains/kept/tuned.jsonl"):
        if entry["part"] != "tuned" or entry["rows"] != 1600 or entry["seed"] != seed:
            continue
        if entry["method"] == "source only":
            targets = {target for _, target in PAIRS} & entry.keys()
            figures |= {(entry["source"], t, "source only"): entry[t] for t in targets}
        else:
            figures[entry["source"], entry["target"], entry["method"]] = entry["accuracy"]
    return figures


def losses_while_tuning():
    """Return the accuracies of losses on unlabelled texts while the encoder is tuned."""
    figures = tuned_accuracies()
    rows = []
    for method in LOSSES:
        cells = [figures.get((*pair, method)) for pair in PAIRS]
        base = [figures[(*pair, "source only")] for pair in PAIRS]
        gains = [a - b for a, b in zip(cells, base, strict=True) if a is not None]
        if not gains:
            continue
        gain = "-" if method == "source only" else f"{np.mean(gains):+.3f}"
        rows.append([method, *("not measured" if c is None else f"{c:.4f}" for c in cells), gain])
    pairs = [f"{source} to {target}" for source, target in PAIRS]
    return table(["added to `FullFineTune()`", *pairs, "mean gain"], rows)


def target_labels():
    """Return the accuracies with a few labels of the target: 12 pairs, five draws."""
    cells = defaultdict(list)
    for entry in ledger("domains/kept/domains.jsonl"):
        if entry["part"] == "labels" and entry["rows"] == 1600:
            cells[entry["method"], entry["n_labels"]].append(entry)
    rows = []
    for method, title in WITH_LABELS.items():
        means = []
        for size in SIZES:
            entries = cells[method, 0 if method == "source only" else size]
            targets = defaultdict(list)
            for entry in entries:
                targets[entry["source"], entry["target"]].append(entry["accuracy"])
            means.append(np.mean([np.mean(values) for values in targets.values()]))
        rows.append([title, *map(rounded, means)])
    return table(["method", f"{SIZES[0]} labels", *map(str, SIZES[1:])], rows)

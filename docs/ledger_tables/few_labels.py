"""Tables about few labels and class names."""

from collections import defaultdict

import numpy as np

from ledger_tables.formats import ledger, points, short, table
from nlptl.evaluation.intervals import paired_interval

FEW_SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77", "amazon_domains")
FEW_METHODS = ("frozen", "SetFit", "Contrastive", "Auto")
LARGE = "banking77"
"""SetFit has one draw on this set, and was stopped there."""

CONFIDENCE_SETS = ("sst2", "ag_news", "trec", "tweet_emotion", "banking77")
NAMED_SETS = ("ag_news", "trec", "tweet_emotion", "banking77")
SHOTS = (0, 1, 2, 4, 8, 16)
WEIGHTS = {"no label": "no label", "cv": "`LabelMeaning()`", "2.5": "weight 2.5"}
WEIGHTS |= {weight: weight.removesuffix(".0") for weight in ("5.0", "10.0", "20.0", "40.0")}
WEIGHED_SETS = (*FEW_SETS[:4], "tweet_sentiment", "tweet_irony", "sib200")
GOALS = {"ag_news": ".85", "banking77": ".70"}


def accuracy():
    """Return the table of accuracies with 8 labels per class, on the draws of all methods.

    The gains are those over SetFit, in points.
    """
    figures = figures_of("accuracy")
    cells = {}
    for name in FEW_SETS:
        draws = set.intersection(*(set(figures[name, method]) for method in FEW_METHODS))
        for method in FEW_METHODS:
            cells[name, method] = np.array([figures[name, method][k] for k in sorted(draws)])
    for method in FEW_METHODS:
        others = [cells[name, method] for name in FEW_SETS if name != LARGE]
        cells[f"mean without {LARGE}", method] = np.mean(others, axis=0)
    rows = []
    for name in (*FEW_SETS, f"mean without {LARGE}"):
        peer = cells[name, "SetFit"]
        row = [name, short(cells[name, "frozen"].mean()), short(peer.mean())]
        for method in ("Contrastive", "Auto"):
            ours = cells[name, method]
            row += [short(ours.mean()), points(ours - peer)]
        rows.append(row)
    return table(["set", "frozen", "SetFit", "`Contrastive()`", "gain", "`Auto()`", "gain"], rows)


def seconds():
    """Return the table of the seconds of a fit with 8 labels per class."""
    times = figures_of("seconds", of="seconds")
    names = [name for name in FEW_SETS if name != LARGE]
    rows = [[n, *(f"{times[n, m][0]:.1f}" for m in FEW_METHODS)] for n in names]
    totals = [sum(times[name, method][0] for name in names) for method in FEW_METHODS]
    rows.append(["sum", *(f"{total:.0f}" for total in totals)])
    return table(["set", "frozen", "SetFit", "`Contrastive()`", "`Auto()`"], rows)


def figures_of(figure, *, of=None):
    """Return a figure for each set and method, as a dict per draw."""
    figures = defaultdict(dict)
    for entry in ledger("few_labels/kept/fewshot.jsonl"):
        # An accuracy of the timed draw counts as well, but not twice.
        if entry.get("of") in {of, "seconds"}:
            figures[entry["set"], entry["method"]].setdefault(entry["seed"], entry[figure])
    return figures


def confidence():
    """Return the calibration errors after contrastive tuning, with and without class names."""
    cells = defaultdict(list)
    for entry in ledger("few_labels/kept/confidence.jsonl"):
        if "method" in entry:  # not the choice of the rule
            cells[entry["set"], entry["method"]].append(entry)
    alone, named = "Contrastive", "Contrastive, LabelMeaning"
    figures = [(alone, "error"), (named, "error at 1"), (named, "error")]
    means = {
        name: [float(np.mean([e[figure] for e in cells[name, m]])) for m, figure in figures]
        for name in CONFIDENCE_SETS
    }
    means["mean"] = np.mean(list(means.values()), axis=0)
    rows = [[name, *map(short, values)] for name, values in means.items()]
    without = "with class names, without the temperature"
    return table(["set", "`Contrastive()`", without, "with class names"], rows)


def names():
    """Return the accuracies with and without class names, by the number of labels per class."""
    cells = defaultdict(list)
    for entry in ledger("few_labels/kept/fewshot_names.jsonl"):
        cells[entry["set"], entry["shots"], entry["of"]].append(entry["figure"])
    means = {key: float(np.mean(values)) for key, values in cells.items()}
    sets = sorted({name for name, _, _ in means})
    for _, shots, of in list(means):
        if all((name, shots, of) in means for name in sets):
            means["mean", shots, of] = float(np.mean([means[n, shots, of] for n in sets]))
    rows = []
    for name in (*NAMED_SETS, "mean"):
        without = [short(means[name, n, "plain"]) if n else "" for n in SHOTS]
        named = [short(means[name, n, "names"]) for n in SHOTS]
        named[0] += f" ({short(means[name, 0, 'names and texts'])})"
        first = name == NAMED_SETS[0]
        rows.append([f"{name}, without{' names' if first else ''}", *without])
        rows.append([f"{name}, {'`LabelMeaning()`' if first else 'with'}", *named])
    return table(["labels per class", *map(str, SHOTS)], rows)


def weights_of_names():
    """Return the accuracies by the weight of the class names, with one label per class."""
    cells = defaultdict(list)
    for entry in ledger("few_labels/kept/names_weight.jsonl"):
        for weight in WEIGHTS:
            cells[entry["set"], weight].append(entry[weight])
    means = {key: float(np.mean(values)) for key, values in cells.items()}
    rows = [
        [name.replace("sib200", "sib200, English"), *(short(means[name, w]) for w in WEIGHTS)]
        for name in WEIGHED_SETS
    ]
    average = [np.mean([means[name, weight] for name in WEIGHED_SETS]) for weight in WEIGHTS]
    rows.append(["mean", *map(short, average)])
    return table(["", *WEIGHTS.values()], rows)


def labels_needed():
    """Return how many labels reach an accuracy, chosen at random or by ``suggest``."""
    cells = defaultdict(dict)
    for entry in ledger("few_labels/kept/suggest.jsonl"):
        cells[entry["set"], entry["way"]][entry["seed"]] = entry["figure"]
    rows = []
    for name, goal in GOALS.items():
        random, chosen = (
            np.array([cells[name, way][seed] for seed in sorted(cells[name, way])])
            for way in ("random", "suggest")
        )
        saved = paired_interval(random - chosen)
        fewer = f"{1 - chosen.mean() / random.mean():.0%}".replace("%", " %")
        limits = f"saved: {saved.value:.0f} labels [{saved.low:+.0f}, {saved.high:+.0f}]"
        rows.append(
            [name, goal, f"{random.mean():.0f}", f"{chosen.mean():.0f}", f"{fewer} ({limits})"]
        )
    return table(["set", "goal", "at random", "`suggest()`", "fewer"], rows)

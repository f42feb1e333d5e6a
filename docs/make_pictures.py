"""Draw the pictures of the documentation from the ledgers of the benchmarks."""

import json
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
FEW_LABELS = HERE.parent / "recipes/benchmarks/few_labels/kept/fewshot_names.jsonl"
CURVES = {"names": "with class names (LabelMeaning)", "plain": "without"}


def main():
    """Draw the accuracy by the number of labels per class, with and without class names."""
    figures = defaultdict(dict)
    for line in FEW_LABELS.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("of") in CURVES:
            figures[entry["of"], entry["shots"]][entry["set"], entry["seed"]] = entry["figure"]
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    ticks = [0, 1, 2, 4, 8, 16]
    for (method, label), colour in zip(CURVES.items(), ("tab:blue", "tab:gray"), strict=True):
        shots = [n for n in ticks if (method, n) in figures]
        draws = [per_draw(figures[method, n]) for n in shots]
        places = [ticks.index(n) for n in shots]
        means, spreads = ([f(draw) for draw in draws] for f in (np.mean, np.std))
        axes.plot(places, means, "o-", color=colour, label=label)
        low, high = np.subtract(means, spreads), np.add(means, spreads)
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set(xlabel="labels per class", ylabel="accuracy, mean of 4 data sets")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(axis="y", alpha=0.3)
    (HERE / "pictures").mkdir(exist_ok=True)
    figure.savefig(HERE / "pictures" / "labels.png", dpi=150, metadata={"Software": None})


def per_draw(entries):
    """Return the mean accuracy over the data sets for each draw of labelled rows."""
    draws = defaultdict(list)
    for (_, seed), accuracy in entries.items():
        draws[seed].append(accuracy)
    most = max(map(len, draws.values()))
    return [np.mean(values) for values in draws.values() if len(values) == most]


if __name__ == "__main__":
    main()

"""Claim: the memory of word counts grows at most linearly with the number of classes.

    python recipes/benchmarks/tasks/many_classes.py [--quick]

A process of its own fits and evaluates ``TextClassifier(TfidfEncoder(longest=1))`` for each
number of classes. The rows and the 1,000 words stay the same: only the classes grow. Compared is
the peak of the memory of ``fit`` beyond that of two classes. With twice the classes it may be at
most 2.2 times as much. The peak with ``evaluate`` is printed: its libraries take more than a small
model does. --quick takes fewer classes and rows.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

WORDS = 1_000
WORDS_IN_TEXT = 4
MAX_GROWTH = 2.2
"""Limit of the growth of memory with twice the classes."""


def made_up(n_classes: int, n_rows: int) -> tuple[list[str], list[str]]:
    """Write texts of words drawn at random, the first two of which depend on the class."""
    rng = np.random.default_rng(0)
    classes = np.arange(n_rows) % n_classes
    words = rng.integers(0, WORDS, (n_rows, WORDS_IN_TEXT))
    words[:, 0], words[:, 1] = classes % WORDS, (7 * classes + 1) % WORDS
    texts = [" ".join(f"word{word}" for word in row) for row in words]
    return texts, [f"class {number}" for number in classes]


def peak_mib() -> float:
    """Return the most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def child(n_classes: int, n_rows: int) -> None:
    """Fit and evaluate in this process, and print its peaks of memory."""
    from nlptl import TextClassifier, TfidfEncoder

    texts, labels = made_up(n_classes, n_rows)
    model = TextClassifier(TfidfEncoder(longest=1), seed=0).fit(texts, labels)
    fitted = peak_mib()
    accuracy = model.evaluate(texts, labels)["accuracy"]
    results = {"fit_mib": fitted, "evaluate_mib": peak_mib(), "accuracy": accuracy}
    sys.stdout.write(json.dumps(results))


def measured(n_classes: int, n_rows: int) -> dict[str, float]:
    """Run the child."""
    command = [sys.executable, "-W", "ignore", __file__, "--child", str(n_classes), str(n_rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> int:
    options = arguments(__doc__)
    report = Report("many_classes")
    n_rows = 1_000 if options.quick else 10_000
    sizes = (125, 250, 500) if options.quick else (625, 1_250, 2_500, 5_000)
    least = measured(2, n_rows)["fit_mib"]
    further = []
    for n_classes in sizes:
        figures = measured(n_classes, n_rows)
        further.append(figures["fit_mib"] - least)
        report.record(classes=n_classes, rows=n_rows, further_mib=further[-1], **figures)
    for n_classes, less, more in zip(sizes[1:], further, further[1:], strict=False):
        report.claim(
            f"{n_classes} classes: at most {MAX_GROWTH} times the memory of half as many "
            f"({more / less:.2f})",
            more <= MAX_GROWTH * less,
        )
    return report.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*map(int, sys.argv[2:]))
    else:
        sys.exit(main())

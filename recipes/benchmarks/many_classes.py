"""Claim: the memory of word counts grows at most linearly with the number of classes.

    python recipes/benchmarks/many_classes.py [--quick]

A process of its own fits and evaluates ``TextClassifier(TfidfEncoder(longest=1))`` for each
number of classes. The rows and the 2,000 words stay the same: only the classes grow. Compared is
the peak of the memory beyond that of a process that fits two classes. With twice the classes it
may be at most 2.2 times as much. --quick takes fewer classes and rows.
"""

import json
import resource
import subprocess
import sys

import numpy as np
from material import Report, arguments

WORDS = 2_000
WORDS_IN_TEXT = 8
EVALUATED = 500
"""Rows that are evaluated: probabilities are a table of rows by classes."""
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


def child(n_classes: int, n_rows: int) -> None:
    """Fit and evaluate in this process, and print its peak of memory in MiB."""
    from nlptl import TextClassifier, TfidfEncoder

    texts, labels = made_up(n_classes, n_rows)
    model = TextClassifier(TfidfEncoder(longest=1), seed=0).fit(texts, labels)
    figures = model.evaluate(texts[:EVALUATED], labels[:EVALUATED])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_mib = peak / (2**20 if sys.platform == "darwin" else 2**10)
    sys.stdout.write(json.dumps({"peak_mib": in_mib, "accuracy": figures["accuracy"]}))


def measured(n_classes: int, n_rows: int) -> dict[str, float]:
    """Run the child."""
    command = [sys.executable, "-W", "ignore", __file__, "--child", str(n_classes), str(n_rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> int:
    given = arguments(__doc__)
    report = Report("many_classes")
    n_rows = 2_000 if given.quick else 10_000
    sizes = (250, 500, 1_000) if given.quick else (625, 1_250, 2_500, 5_000)
    least = measured(2, n_rows)["peak_mib"]
    further = []
    for n_classes in sizes:
        figures = measured(n_classes, n_rows)
        further.append(figures["peak_mib"] - least)
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

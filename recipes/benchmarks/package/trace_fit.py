"""Claim: a fit enters few files: at most 70 entries for a frozen encoder, 300 for a tuned one.

    python recipes/benchmarks/package/trace_fit.py [--quick]

Calls of functions of nlptl are traced while ``TextClassifier.fit`` runs on 24 rows with a tiny
encoder of random weights, on one thread. An entry is a call that goes from one file of nlptl into
another one; files of ``nlptl/base`` are left out. Files and entries of a prediction are recorded,
too. A pair is a file that calls and the file that it calls. ``PYTHONPATH`` set to a checkout of
another commit traces that one. --quick changes nothing.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


import nlptl
from nlptl import FullFineTune, TextClassifier, TrainingConfig

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

PACKAGE = str(Path(nlptl.__file__).parent)
BASE = f"{PACKAGE}{os.sep}base{os.sep}"
MAX_FROZEN, MAX_TUNED = 70, 300


class Trace:
    """Count how often a run enters each file of the package."""

    def __init__(self) -> None:
        self.entries: Counter[str] = Counter()
        self.pairs: set[tuple[str, str]] = set()
        self.stack: list[str] = []

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE) or file.startswith(BASE):
            return
        if event == "call":
            if not self.stack or self.stack[-1] != file:
                self.entries[file] += 1
                self.pairs.add((self.stack[-1] if self.stack else "", file))
            self.stack.append(file)
        elif event == "return" and self.stack:
            self.stack.pop()

    def of(self, run: Any) -> dict[str, int]:
        """Trace a call; return the numbers of files, of pairs of files, and of entries."""
        sys.setprofile(self)
        try:
            run()
        finally:
            sys.setprofile(None)
        files, entries = len(self.entries), sum(self.entries.values())
        return {"files": files, "pairs": len(self.pairs), "entries": entries}


def main() -> int:
    """Trace a frozen fit, a tuned fit and a prediction."""
    arguments(__doc__)
    sys.path.insert(0, str(Path(__file__).parents[3] / "tests" / "contracts" / "golden"))
    import make

    report = Report("trace_fit")
    texts, labels = make.TEXTS[:24], make.LABELS[:24]
    training = TrainingConfig(max_steps=2, batch_size=8, refit=False, restarts=0, quiet=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["NLPTL_CACHE"] = f"{place}/cache"
        encoder = make.transformer(Path(place) / "encoder")
        tuned = {"transfer": FullFineTune(layers=1), "training": training, "device": "cpu"}
        models = {"frozen": TextClassifier(encoder), "tuned": TextClassifier(encoder, **tuned)}
        for model in models.values():
            model.fit(texts, labels)  # what is imported late is there now
        runs = {
            name: lambda model=model: model.fit(texts, labels) for name, model in models.items()
        }
        runs["predict"] = lambda: models["frozen"].predict(texts[:4])
        for name, run in runs.items():
            trace = Trace()
            counts = trace.of(run)
            most = {os.path.relpath(f, PACKAGE): n for f, n in trace.entries.most_common(8)}
            report.record(run=name, **counts, most=most)
            limit = {"frozen": MAX_FROZEN, "tuned": MAX_TUNED}.get(name)
            if limit is not None:
                entries = counts["entries"]
                report.claim(f"{name}: at most {limit} entries ({entries})", entries <= limit)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())

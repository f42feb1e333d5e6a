"""Claim: outside the encoder's forward pass, ``predict`` of one text takes at most 2 ms.

    python recipes/benchmarks/serving/predict_one.py [--quick]

A frozen MiniLM (float32) is fitted on shipped support requests, saved and loaded. Then it predicts
one new text 200 times (--quick: 50). The time inside the model of transformers is taken off each
prediction; the median of what is left counts. One thread. It needs no material. With
PYTHONPATH set to an older checkout it times that one.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import numpy as np
from transformers import BertModel

from nlptl import TextClassifier, TransformerEncoder, support_requests

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

MAX_MILLISECONDS = 2.0


class Stopwatch:
    """Sum up the time inside the forward pass of every BERT."""

    def __init__(self) -> None:
        self.seconds = 0.0
        forward = BertModel.forward

        def timed(model: BertModel, *arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return forward(model, *arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started

        BertModel.forward = timed


def main() -> int:
    """Time predictions of one text."""
    options = arguments(__doc__)
    report = Report("predict_one")
    texts, labels = support_requests()
    with tempfile.TemporaryDirectory() as place:
        os.environ["NLPTL_CACHE"] = f"{place}/cache"
        encoder = TransformerEncoder(precision="float32")
        model = TextClassifier(encoder, seed=0).fit(texts[::2], labels[::2])
        model = TextClassifier.load(model.save(Path(place) / "model"))
        model.predict(["The first text loads the weights."])
        watch = Stopwatch()
        outside, inside = [], []
        for number in range(50 if options.quick else 200):
            watch.seconds, started = 0.0, time.perf_counter()
            model.predict([f"My parcel number {number} has not arrived."])
            outside.append(time.perf_counter() - started - watch.seconds)
            inside.append(watch.seconds)
    median = 1e3 * float(np.median(outside))
    report.record(outside_ms=median, forward_ms=1e3 * float(np.median(inside)))
    report.claim(
        f"at most {MAX_MILLISECONDS} ms outside the forward pass ({median:.2f})",
        median <= MAX_MILLISECONDS,
    )
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())

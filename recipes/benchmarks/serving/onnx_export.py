"""Claim: an exported int8 graph answers 2.2 times as fast as the pipeline of transformers.

    NLPTL_DATA=... python recipes/benchmarks/serving/onnx_export.py
            [--quick] [--sets ...] [--models FOLDER] [--threads N]

banking77 (3,000 rows, two passes) and ag_news (1,500 rows, two passes): all weights of MiniLM are
tuned with stock pooling, so that the same model is written for transformers and as graphs. Asked
are the 1,000 test rows: OnnxClassifier.predict_proba in int8 and in fp32, and
pipeline("text-classification", batch_size=32) in fp32, in turn, three times (--quick: twice, 300
rows), on as many threads each. 300 training rows are the probe of the export. The int8 graph may
lose half a point of accuracy on the test rows, and gives the same label for 98 % of them. --models
keeps the fitted models, and goes on with a training that was interrupted. How graphs are made was
chosen on training rows of ag_news and on trec. (A script called onnx.py would hide the package.)
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, alternate, median_ratio, test_rows, training_pool

SETS = {"banking77": (3000, 2), "ag_news": (1500, 2)}
LEAST, LOST, SAME = 2.2, 0.005, 0.98


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 test rows, two repeats")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--models", metavar="FOLDER", help="where fitted models are kept")
    parser.add_argument("--threads", type=int, default=1, help="for every reader")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    os.environ |= {"OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false"}
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(options.threads)
    report = Report("onnx_export")
    with tempfile.TemporaryDirectory() as place:
        models = Path(options.models or place)
        rows = [measured(name, models, options, report) for name in options.sets]
    report.table(f"Texts per second on {options.threads} threads, test rows", rows)
    return report.finish()


def measured(name: str, models: Path, options: argparse.Namespace, report: Report) -> dict:
    """Export one model, and ask it in every form."""
    from transformers import pipeline

    from nlptl import OnnxClassifier

    model = fitted(name, models)
    rows = test_rows(name, 300 if options.quick else 1000)
    texts, truth = rows["text"].tolist(), rows["label_text"].to_numpy()
    with tempfile.TemporaryDirectory() as place:
        room = Path(place)
        plain = model.export(room / "transformers", format="transformers")
        shown = training_pool(name, SETS[name][0])[:300]
        probe = shown["text"].tolist(), shown["label_text"].tolist()
        asked = {}
        for precision in ("int8", "fp32"):
            graph = model.export(room / precision, format="onnx", precision=precision, probe=probe)
            asked[precision] = OnnxClassifier.load(graph)
        peer = pipeline("text-classification", str(plain), device="cpu", batch_size=32)
        sizes = {p: (room / p / "model.onnx").stat().st_size / 1e6 for p in asked}
    runs = {
        "pipeline": lambda: peer(texts, truncation=True),
        **{p: (lambda graph=graph: graph.predict_proba(texts)) for p, graph in asked.items()},
    }
    seconds = alternate(runs, 2 if options.quick else 3)
    said = np.array([entry["label"] for entry in runs["pipeline"]()])
    labels = {"pipeline": said, **{p: graph.predict(texts) for p, graph in asked.items()}}
    accuracy = {entry: float((results == truth).mean()) for entry, results in labels.items()}
    same = {p: float((labels[p] == said).mean()) for p in asked}
    times = {p: median_ratio(seconds["pipeline"], seconds[p]) for p in asked}
    row = {
        "set": name,
        "texts": len(texts),
        **{f"{entry}/s": len(texts) / float(np.median(s)) for entry, s in seconds.items()},
        **{f"{p} times": value for p, value in times.items()},
        **{f"{entry} accuracy": value for entry, value in accuracy.items()},
        **{f"{p} same": value for p, value in same.items()},
        **{f"{p} MB": value for p, value in sizes.items()},
    }
    report.record(threads=options.threads, **row, seconds=seconds)
    lost = accuracy["pipeline"] - accuracy["int8"]
    report.claim(
        f"{name}: {times['int8']:.2f} times as fast, at least {LEAST}", times["int8"] >= LEAST
    )
    report.claim(f"{name}: {lost:+.4f} accuracy lost, at most {LOST}", lost <= LOST + 1e-9)
    report.claim(
        f"{name}: {same['int8']:.1%} the same label, at least {SAME:.0%}", same["int8"] >= SAME
    )
    return row


def fitted(name: str, models: Path):
    """Return the tuned model of a data set, from the folder where it is kept."""
    from nlptl import FullFineTune, LogisticHead, TextClassifier, TrainingConfig, TransformerEncoder
    from nlptl.encoders import Pooling

    folder, (n, epochs) = models / name, SETS[name]
    if folder.is_dir():
        return TextClassifier.load(folder)
    pool = training_pool(name, n)
    model = TextClassifier(
        TransformerEncoder(
            pooling=Pooling(tokens="stock", normalize=False), cache=models / "cache"
        ),
        transfer=FullFineTune(),
        head=LogisticHead(C=10.0),  # where training starts from
        training=TrainingConfig(epochs=epochs, checkpoints=str(models / f"{name}.checkpoints")),
    )
    model.fit(pool["text"].tolist(), pool["label_text"].tolist())
    model.save(folder)
    return model


if __name__ == "__main__":
    sys.exit(main())

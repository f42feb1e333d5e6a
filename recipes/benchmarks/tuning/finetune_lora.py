"""Claim: LoRA comes within half a point of full tuning, in less memory, and others can read it.

    NLPTL_DATA=... python recipes/benchmarks/tuning/finetune_lora.py [--quick] [--kept FILE]
                                                              [--only accuracy|memory]

500 labels, five sets, five seeds, 1,000 test rows, all-MiniLM-L6-v2. Peak memory is that of a
whole process that reads, tunes and predicts, started again for each. The adapter of the first set
is read by plain peft, and the merged model by plain transformers' pipeline; both have to give
nlptl's probabilities. --quick takes two sets and two seeds.
"""

import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from finetune_small import LABELS, SETS, accuracy, rows_of

from nlptl import FullFineTune, LoRA, TextClassifier, TransformerEncoder
from nlptl.encoders import Pooling
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Kept, Report, arguments

TRANSFERS = {"full": FullFineTune(), "lora": LoRA()}
STOCK = Pooling(tokens="stock", normalize=False)


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        return alone(sys.argv[2])
    options = arguments(__doc__, in_parts=True, only=("accuracy", "memory"))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    names, seeds = (SETS[1:3], range(2)) if options.quick else (SETS, range(5))
    names, seeds = options.sets or names, options.seeds or seeds
    report = Report("finetune_lora")
    if options.only != "memory":
        compared(names, seeds, report, report.ledger(options))
    if options.only != "accuracy":
        peak = {kind: peak_of(kind) for kind in TRANSFERS}
        report.record(**{f"peak MiB of {kind}": value for kind, value in peak.items()})
        report.claim(f"peak memory {peak} MiB, LoRA's lower", peak["lora"] < peak["full"])
        for reader, difference in read_elsewhere(report).items():
            report.claim(f"{reader} gives the same, {difference:.1g} apart", difference < 1e-4)
    return report.finish()


def compared(names: Sequence[str], seeds: Sequence[int], report: Report, kept: Kept) -> None:
    """Hold the accuracy of LoRA against that of full tuning."""
    differences, rows = [], []
    for name in names:
        each = [
            [accuracy(kept, name, seed, f"nlptl {kind}") for kind in ("full", "LoRA")]
            for seed in seeds
        ]
        full, lora = np.mean(each, axis=0)
        rows.append({"set": name, "full": float(full), "LoRA": float(lora)})
        report.record(**rows[-1])
        differences.append([lora - full for full, lora in each])
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} seeds", rows)
    if len(seeds) < 2:  # a part of a run
        return
    gain = paired_interval(np.mean(differences, axis=0))
    report.claim(f"mean accuracy of LoRA less that of full tuning {gain}", gain.value >= -0.005)


def alone(kind: str) -> int:
    """Tune in a process of its own, and print its peak memory in MiB."""
    torch.set_num_threads(2)
    rows = rows_of("trec", "train").iloc[:LABELS]
    model = TextClassifier(transfer=TRANSFERS[kind])
    model.fit(rows["text"].tolist(), rows["label_text"].tolist())
    model.predict(rows["text"].tolist())
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    return 0


def peak_of(kind: str) -> int:
    done = subprocess.run(
        [sys.executable, __file__, "--one", kind], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1])


def read_elsewhere(report: Report) -> dict[str, float]:
    """Read an adapter with peft and a merged model with transformers alone."""
    from peft import PeftModel
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        pipeline,
    )

    from nlptl.encoders.contextual.encoder_folder import find_encoder

    rows = rows_of("trec", "train").iloc[:LABELS]
    model = TextClassifier(TransformerEncoder(pooling=STOCK), transfer=LoRA(merge=False))
    model.fit(rows["text"].tolist(), rows["label_text"].tolist())
    asked = rows_of("trec", "test")["text"].tolist()[:50]
    wanted, names = model.predict_proba(asked), model.classes_.tolist()
    adapter = model.fitted_.features.encoder.weights.adapter
    learnt = sum(array.size for array in adapter.arrays.values())
    # What is stored is the mean of two trainings, at twice the rank that each of them learnt.
    report.record(set="trec", stored_in_adapter=learnt, trained_in_adapter=learnt // 2)
    with tempfile.TemporaryDirectory() as place:
        merged = model.export(Path(place) / "merged")
        answers = pipeline("text-classification", str(merged), device="cpu", top_k=None)(asked)
        scores = [{entry["label"]: entry["score"] for entry in row} for row in answers]
        by_pipeline = np.array([[row[name] for name in names] for row in scores])
        folder = model.export(Path(place) / "adapter", format="peft")
        base = AutoModelForSequenceClassification.from_pretrained(
            str(find_encoder(None).path), config=AutoConfig.from_pretrained(folder)
        )
        tokens = AutoTokenizer.from_pretrained(folder)(asked, return_tensors="pt", padding=True)
        with torch.inference_mode():
            logits = PeftModel.from_pretrained(base, folder).eval()(**tokens).logits
        by_peft = logits.softmax(dim=1).numpy()
    return {
        "pipeline": float(np.abs(by_pipeline - wanted).max()),
        "peft": float(np.abs(by_peft - wanted).max()),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Claim: loading a folder never ends in anything but one error of storage, whatever is in it.

    python recipes/benchmarks/package/hostile_folders.py [--quick] [--only KIND]

Small models of every kind are saved; the transformers among them are tiny and of random weights.
Copies of their folders are spoilt (see hostile_ways.py). Then the sha256 of every file is recorded
again, as somebody who hands out a folder can. Each folder is loaded in a process of its own.

claims: every folder that cannot be a model is refused at load, with StorageError, IntegrityError
or EncoderNotFoundError. One in which a single value was replaced is refused at load, or it
answers. No load takes more than 200 MB above the size of the folder, nor more than 10 seconds of
processor time. It needs Linux and no material. --quick takes every sixth folder.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import numpy as np
import pandas as pd
from hostile_ways import Hostile, hostile

from nlptl import (
    FullFineTune,
    FusedEncoder,
    LoRA,
    MLPHead,
    MultiTaskModel,
    OnnxClassifier,
    StaticEncoder,
    Task,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import EncoderNotFoundError, StorageError
from nlptl.encoders.fused import ResidualFusion
from nlptl.estimators.languages.language_classifier import LanguageClassifier

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

TEXTS = [
    "red apple",
    "red rose",
    "warm red",
    "red sea",
    "blue sky",
    "blue sea",
    "cold blue",
    "blue rose",
]
LABELS = ["warm"] * 4 + ["cold"] * 4
SIZES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
MEGABYTES, SECONDS, PATIENCE = 200, 10.0, 120.0
QUICK = 6
"""Every sixth folder."""

SHORT = TrainingConfig(max_steps=2, quiet=True)
REFUSALS = (StorageError, EncoderNotFoundError)


@dataclass(frozen=True)
class Model:
    """A saved model, how its folder is loaded, and a call that answers."""

    folder: Path
    load: Callable[[Path], Any]
    ask: Callable[[Any], Any]


def tiny_transformer(folder: Path) -> str:
    """Write a transformer of random weights that knows some words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*marks, *sorted({word for text in TEXTS for word in text.split()})]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    frame = {"special_tokens": [("[CLS]", 2), ("[SEP]", 3)], "single": "[CLS] $A [SEP]"}
    tokenizer.post_processor = processors.TemplateProcessing(
        pair="[CLS] $A [SEP] $B:1 [SEP]:1", **frame
    )
    names = {f"{mark.strip('[]').lower()}_token": mark for mark in marks}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, **names
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 32}
    config = BertConfig(vocab_size=len(words), num_hidden_layers=2, num_attention_heads=2, **sizes)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


def models(room: Path, only: str | None) -> dict[str, Model]:
    """Fit and save one model of each kind, or of one kind alone."""
    table = pd.DataFrame({"text": TEXTS, "size": SIZES})
    asks = {"fused": lambda model: model.predict(table)}
    asks["languages"] = lambda model: model.predict(TEXTS, ["en"] * 8)
    saved = {}
    for name, fit in fits(room, table).items():
        if only in (None, name):
            model = fit()
            load, ask = type(model).load, asks.get(name, _predict)
            saved[name] = Model(Path(model.save(room / name)), load, ask)
    if only in (None, "graph"):
        fits(room, table)["tuned"]().export(room / "graph", format="onnx")
        saved["graph"] = Model(room / "graph", OnnxClassifier.load, _predict)
    return saved


def fits(room: Path, table: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Return for each kind of model a call that fits one."""
    transformer = TransformerEncoder(tiny_transformer(room / "transformer"), cache=None)
    static = StaticEncoder(str(word_vectors(room / "words.vec")), ("sif", "idf"), cache=None)
    fused = FusedEncoder((static, TfidfEncoder()), ("size",), ("text",), ResidualFusion(width=8))
    several = [*([label, "short"] for label in LABELS[:7]), []]
    counts, words = TextClassifier(TfidfEncoder()), TextClassifier(static)
    network = TextClassifier(static, head=MLPHead((8,)), training=SHORT)
    tuned = TextClassifier(transformer, transfer=FullFineTune(), training=SHORT)
    adapter = TextClassifier(transformer, transfer=LoRA(merge=False), training=SHORT)
    tasks = {"tone": Task("single_label"), "size": Task("regression")}
    together = MultiTaskModel(tasks, encoder=transformer, gate=False, training=SHORT)
    languages = LanguageClassifier(counts, gate=False)
    return {
        "counts": lambda: counts.fit(TEXTS, LABELS),
        "several": lambda: counts.fit(TEXTS, several),
        "network": lambda: network.fit(TEXTS, LABELS),
        "numbers": lambda: TextRegressor(TfidfEncoder()).fit(TEXTS, SIZES),
        "static": lambda: words.fit(TEXTS, LABELS),
        "fused": lambda: TextClassifier(fused, training=SHORT).fit(table, LABELS),
        "frozen": lambda: TextClassifier(transformer).fit(TEXTS, LABELS),
        "tuned": lambda: tuned.fit(TEXTS, LABELS),
        "adapter": lambda: adapter.fit(TEXTS, LABELS),
        "tasks": lambda: together.fit({"tone": (TEXTS, LABELS), "size": (TEXTS, SIZES)}),
        "languages": lambda: languages.fit(TEXTS, LABELS, ["en", "de"] * 4),
    }


def word_vectors(path: Path) -> Path:
    """Write a file of random word vectors."""
    words, rng = sorted({word for text in TEXTS for word in text.split()}), np.random.default_rng(0)
    rows = [f"{word} {' '.join(f'{x:.3f}' for x in rng.normal(size=8))}" for word in words]
    path.write_text("\n".join([f"{len(words)} 8", *rows, ""]))
    return path


def _predict(model: Any) -> Any:
    return model.predict(TEXTS)


def seal(folder: Path) -> None:
    """Record the sha256 of every file, as somebody who hands out a folder can."""
    for manifest in sorted(folder.rglob("manifest.json"), key=lambda path: -len(path.parts)):
        place = manifest.parent
        record = json.loads(manifest.read_text())
        paths = (
            path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()
        )
        record["files"] = {
            path.relative_to(place).as_posix(): {"sha256": sha256(path.read_bytes()).hexdigest()}
            for path in paths
            if path != manifest
        }
        manifest.write_text(json.dumps(record))


def loaded(model: Model, folder: Path) -> dict[str, Any]:
    """Load a folder in a child process; return what it came to, memory and processor time."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        with os.fdopen(writing, "w") as pipe:
            json.dump(_outcome(model, folder), pipe)
        os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    if time.monotonic() >= deadline:
        os.kill(child, 9)
        os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        described = pipe.read()
    return (
        json.loads(described)
        if described
        else {"outcome": "no answer", "megabytes": 0.0, "seconds": PATIENCE}
    )


def _outcome(model: Model, folder: Path) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, started = _memory("VmRSS"), time.process_time()
    reason = ""
    try:
        answering = model.load(folder)
        outcome = "accepted"
    except REFUSALS as problem:
        outcome, reason = type(problem).__name__, str(problem)
    except BaseException as problem:  # also what is no Exception, as a panic of a tokenizer
        outcome, reason = f"load: {type(problem).__name__}", str(problem)
    seconds, peak = time.process_time() - started, _memory("VmHWM")
    if outcome == "accepted":
        try:
            model.ask(answering)
        except BaseException as problem:
            outcome, reason = f"answer: {type(problem).__name__}", str(problem)
    return {
        "outcome": outcome,
        "reason": reason[:200],
        "megabytes": peak - before,
        "seconds": seconds,
    }


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _tried(model: Model, way: Hostile, room: Path) -> dict[str, Any]:
    folder = room / "spoilt"
    shutil.copytree(model.folder, folder)
    try:
        way.spoil(folder)
        if way.sealed:
            seal(folder)
        size = sum(
            p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink()
        )
        return {**loaded(model, folder), "size": size / 1e6}
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Spoil, load, count."""
    warnings.simplefilter("ignore")
    kinds = ("counts", "several", "network", "numbers", "static", "fused", "frozen", "tuned")
    options = arguments(__doc__, only=(*kinds, "adapter", "tasks", "languages", "graph"))
    report, rows = Report("hostile_folders"), []
    os.environ["NLPTL_CACHE"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as place:
        room = Path(place)
        for name, model in models(room, options.only).items():
            model.ask(model.load(model.folder))  # what is imported late is here before any child is
            ways = list(hostile(name, model.folder))[:: QUICK if options.quick else 1]
            tried = ({"kind": name, "way": way, **_tried(model, way, room)} for way in ways)
            rows.extend(tried)
    refusals = {kind.__name__ for kind in REFUSALS} | {"IntegrityError"}
    allowed = [refusals if row["way"].nonsense else refusals | {"accepted"} for row in rows]
    wrong = [row for row, names in zip(rows, allowed, strict=True) if row["outcome"] not in names]
    large = [row for row in rows if row["megabytes"] > row["size"] + MEGABYTES]
    slow = [row for row in rows if row["seconds"] > SECONDS]
    for row in [*wrong, *large, *slow]:
        sys.stderr.write(json.dumps({**row, "way": row["way"].name}, default=str) + "\n")
    report.record(
        folders=len(rows),
        refused=sum(row["outcome"] in refusals for row in rows),
        accepted=sum(row["outcome"] == "accepted" for row in rows),
        most_megabytes=max(row["megabytes"] - row["size"] for row in rows),
        most_seconds=max(row["seconds"] for row in rows),
    )
    report.claim(
        f"{len(rows)} folders are refused at load by errors of storage, or answer", not wrong
    )
    report.claim(f"no load takes {MEGABYTES} MB more than its folder", not large)
    report.claim(f"no load takes {SECONDS:.0f} seconds", not slow)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())

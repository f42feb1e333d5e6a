"""Claim: no folder makes a model load with anything but one error of storage, memory or time lost.

    python recipes/benchmarks/hostile_folders.py [--quick] [--only KIND]

Small models of every kind are saved; the transformers among them are tiny and of random weights.
Copies of their folders are spoilt: JSON that is nested, repeated, cut or of other types; arrays that
overlap, lie outside their file or do not fit together; links, pipes and folders in place of files;
names that lead elsewhere. Then the sha256 of every file is recorded again, as somebody who hands out
a folder can. Each folder is loaded in a process of its own.

claims: every folder that cannot be a model is refused at load, with StorageError, IntegrityError or
EncoderNotFoundError; one in which a single value was replaced is refused at load, or it answers; no
load takes more than 200 MB above the size of the folder, nor more than 10 seconds of processor time.
It needs Linux and no material. --quick takes every sixth folder.
"""

import json
import os
import random
import resource
import shutil
import socket
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import numpy as np
import pandas as pd
from material import Report, arguments
from safetensors.numpy import load_file, save_file

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
from nlptl.estimators.languages.joint import LanguageClassifier

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
MEGABYTES, SECONDS, PATIENCE = 200, 10.0, 120.0
QUICK = 6
"""Every sixth folder."""

SHORT = TrainingConfig(max_steps=2, quiet=True)
DEEP = b"[" * 100_000 + b"]" * 100_000
DOCUMENTS = ("model.json", "languages.json", "nlptl_onnx.json", "words.json", "store.json")
VALUES = (None, [], {}, "x", -1, 10**30, 1.5, [["x"]])
REFUSALS = (StorageError, EncoderNotFoundError)


@dataclass(frozen=True)
class Model:
    """A saved model, how its folder is loaded, and a call that answers."""

    folder: Path
    load: Callable[[Path], Any]
    ask: Callable[[Any], Any]


@dataclass(frozen=True)
class Hostile:
    """One way to spoil a folder; ``nonsense`` if it cannot be a model afterwards."""

    name: str
    spoil: Callable[[Path], None]
    nonsense: bool = True
    sealed: bool = True


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


def models(room: Path) -> dict[str, Model]:
    """Fit and save one model of each kind."""
    transformer = TransformerEncoder(tiny_transformer(room / "transformer"), cache=None)
    vectors = room / "words.vec"
    words = sorted({word for text in TEXTS for word in text.split()})
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(f'{x:.3f}' for x in rng.normal(size=8))}" for word in words]
    vectors.write_text(f"{len(words)} 8\n" + "\n".join(lines) + "\n")
    static = StaticEncoder(str(vectors), pooling=("sif", "idf"), cache=None)
    several = [[label, "short"] for label in LABELS]
    table = pd.DataFrame({"text": TEXTS, "size": [float(len(text)) for text in TEXTS]})
    fused = FusedEncoder((static, TfidfEncoder()), ("size",), ("text",), ResidualFusion(width=8))
    fitted: dict[str, Any] = {
        "counts": TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS),
        "several": TextClassifier(TfidfEncoder()).fit(TEXTS, [*several[:7], []]),
        "network": TextClassifier(static, head=MLPHead((8,)), training=SHORT).fit(TEXTS, LABELS),
        "numbers": TextRegressor(TfidfEncoder()).fit(TEXTS, [1.0, 2, 3, 4, 5, 6, 7, 8]),
        "static": TextClassifier(static).fit(TEXTS, LABELS),
        "fused": TextClassifier(fused, training=SHORT).fit(table, LABELS),
        "frozen": TextClassifier(transformer).fit(TEXTS, LABELS),
        "tuned": TextClassifier(transformer, transfer=FullFineTune(), training=SHORT).fit(
            TEXTS, LABELS
        ),
        "adapter": TextClassifier(transformer, transfer=LoRA(merge=False), training=SHORT).fit(
            TEXTS, LABELS
        ),
    }
    tasks = {"tone": Task("single_label"), "size": Task("regression")}
    together = MultiTaskModel(tasks, encoder=transformer, gate=False, training=SHORT)
    sizes = [float(len(text)) for text in TEXTS]
    fitted["tasks"] = together.fit({"tone": (TEXTS, LABELS), "size": (TEXTS, sizes)})
    languages = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False)
    fitted["languages"] = languages.fit(TEXTS, LABELS, ["en", "de"] * 4)
    asked = {"fused": lambda model: model.predict(table)}
    asked["languages"] = lambda model: model.predict(TEXTS, ["en"] * 8)
    saved = {
        name: Model(Path(model.save(room / name)), type(model).load, asked.get(name, _predict))
        for name, model in fitted.items()
    }
    fitted["tuned"].export(room / "graph", format="onnx")
    return {**saved, "graph": Model(room / "graph", OnnxClassifier.load, _predict)}


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


def hostile(name: str, folder: Path) -> Iterator[Hostile]:
    """List the ways in which the folder of one model is spoilt."""
    for path in sorted(folder.rglob("*.json")):
        if path.name in DOCUMENTS:
            yield from spoilt_documents(path.relative_to(folder), path)
    for path in sorted(folder.rglob("*.safetensors")):
        if path.name != "model.safetensors" and "adapter" not in path.parts:
            yield from spoilt_arrays(path.relative_to(folder), path)
    if name in ("counts", "frozen", "graph"):
        yield from spoilt_entries(folder)
        yield from spoilt_manifests()


def spoilt_documents(name: Path, path: Path) -> Iterator[Hostile]:
    """Spoil a file of JSON as a whole, and single values in it."""
    content = path.read_bytes()
    first = json.dumps(next(iter(json.loads(content)), "a")).encode()
    whole = {
        "brackets only": DEEP,
        "objects only": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        "empty": b"",
        "cut": content[: len(content) // 2],
        "a list": b'[["a"]]',
        "a number": b"7",
        "not UTF-8": b"\xff\xfe" + content,
        "a huge number": b"[1" + b"0" * 6_000 + b"]",
        "two million values": b"[" + b"1," * 2_000_000 + b"1]",
        "a name twice": b"{" + first + b":1," + content.lstrip()[1:],
    }
    for kind, spoilt in whole.items():
        yield Hostile(f"{name}: {kind}", _writes(name, spoilt))
    described = json.loads(content)
    if not isinstance(described, dict):
        return
    rng = random.Random(str(name))
    places = list(_places(described))
    for place in rng.sample(places, min(12, len(places))):
        value = rng.choice(VALUES)
        yield Hostile(
            f"{name}: {place} is {value!r}", _replaces(name, place, value), nonsense=False
        )
    for key in described:
        kept = {other: value for other, value in described.items() if other != key}
        if key not in ("cost", "history", "check", "made_with"):
            yield Hostile(f"{name}: without {key}", _writes(name, json.dumps(kept).encode()))


def spoilt_arrays(name: Path, path: Path) -> Iterator[Hostile]:
    """Spoil a file of arrays: its header, its layout, its numbers."""
    arrays = load_file(path)
    first = min(arrays)
    raw = path.read_bytes()
    shared = {"dtype": "U8", "shape": [1_000_000], "data_offsets": [0, 1_000_000]}
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    headers: dict[str, tuple[Any, int]] = {
        "a header that is a list": ([], 0),
        "arrays that overlap": ({f"{first}_{i}": shared for i in range(5_000)}, 1_000_000),
        "arrays outside of the file": ({first: {**one, "data_offsets": [8, 16]}}, 8),
        "arrays before the file": ({first: {**one, "data_offsets": [-8, 0]}}, 8),
        "a shape of text": ({first: {**one, "shape": ["2"]}}, 8),
        "a negative shape": ({first: {**one, "shape": [-2, -1]}}, 8),
        "an overflowing shape": (
            {first: {**one, "shape": [2**32, 2**32], "data_offsets": [0, 0]}},
            0,
        ),
        "nothing times very much": (
            {first: {**one, "shape": [0, 2**62], "data_offsets": [0, 0]}},
            0,
        ),
        "an unknown type": ({first: {**one, "dtype": "F8_E4M3"}}, 8),
        "complex numbers": ({first: {**one, "dtype": "C64", "shape": [1]}}, 8),
        "no shape": ({first: {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
        "an entry of text": ({first: "F32"}, 8),
        "no arrays": ({}, 0),
        "a gap": ({first: {**one, "data_offsets": [8, 16]}}, 16),
    }
    for kind, (header, size) in headers.items():
        yield Hostile(f"{name}: {kind}", _writes(name, _safetensors(header, bytes(size))))
    twice = json.dumps({first: one}).encode()[:-1] + b"," + json.dumps({first: one}).encode()[1:]
    whole = {
        "a header of brackets": _safetensors(DEEP),
        "a name twice": _safetensors(twice, bytes(8)),
        "a header longer than the file": (10**9).to_bytes(8, "little") + raw[8:],
        "an empty file": b"",
        "cut": raw[:-1],
        "a longer file": raw + b"\0",
    }
    for kind, content in whole.items():
        yield Hostile(f"{name}: {kind}", _writes(name, content))
    floats = {n: a for n, a in arrays.items() if a.dtype.kind == "f"}
    for key, array in list(floats.items())[:4]:
        changed = {
            "not a number": np.full_like(array, np.nan),
            "one row less": array[:-1]
            if len(array) > 1
            else np.zeros((0, *array.shape[1:]), array.dtype),
            "another dimension": array[..., None],
            "bytes": np.zeros(array.shape, np.uint8),
        }
        for kind, value in changed.items():
            yield Hostile(f"{name}: {key}, {kind}", _saves(name, {**arrays, key: value}))
        kept = {n: a for n, a in arrays.items() if n != key}
        yield Hostile(f"{name}: without {key}", _saves(name, kept))


def spoilt_entries(folder: Path) -> Iterator[Hostile]:
    """Put links, pipes, sockets and folders into a folder, and files that nobody listed."""
    file = next(path for path in sorted(folder.rglob("*.safetensors"))).relative_to(folder)
    inner = (
        next(path for path in sorted(folder.rglob("*")) if path.is_dir())
        if any(path.is_dir() for path in folder.iterdir())
        else folder
    )
    changes: dict[str, Callable[[Path], None]] = {
        "a pipe for a file": lambda room: _put(room / file, os.mkfifo),
        "a pipe for the manifest": lambda room: _put(room / "manifest.json", os.mkfifo),
        "a folder for a file": lambda room: _put(room / file, os.mkdir),
        "a folder for the manifest": lambda room: _put(room / "manifest.json", os.mkdir),
        "a link for a file": lambda room: _put(
            room / file, lambda at: os.symlink(folder / file, at)
        ),
        "a link for the manifest": lambda room: _put(
            room / "manifest.json", lambda at: os.symlink("/etc/passwd", at)
        ),
        "a device for a file": lambda room: _put(
            room / file, lambda at: os.symlink("/dev/zero", at)
        ),
        "a dangling link": lambda room: os.symlink("nowhere", room / "more.json"),
        "a circle of links": lambda room: os.symlink("more", room / "more"),
        "a linked folder": lambda room: os.symlink(inner, room / "more"),
        "a folder linked within": lambda room: os.symlink(".", room / "more"),
        "another pipe": lambda room: os.mkfifo(room / "more"),
        "a socket": lambda room: _socket(room / "more"),
        "a file that is not listed": lambda room: _write(room / "more.json", b"{}"),
        "a hidden file that is not listed": lambda room: _write(room / ".token.json", b"{}"),
    }
    for name, spoil in changes.items():
        yield Hostile(name, spoil, sealed=False)


def spoilt_manifests() -> Iterator[Hostile]:
    """Let the manifest name files that cannot be."""
    names = {
        "a folder above": "../other.json",
        "an absolute path": "/etc/passwd",
        "a backslash": "..\\other.json",
        "a drive": "C:/other.json",
        "a home": "~/other.json",
        "a zero byte": "a\0.json",
        "half a character": "\ud800.json",
        "a dot": "./model.json",
        "nothing": "",
        "a name too long": "a" * 300,
        "a path too long": "/".join(["a" * 200] * 30),
        "upper case": "HEAD.safetensors",
    }
    entry = {"sha256": "0" * 64}
    for kind, name in names.items():
        yield Hostile(f"manifest: {kind}", _lists({name: entry}), sealed=False)
    yield Hostile(
        "manifest: a million names", _lists({str(i): entry for i in range(10**6)}), sealed=False
    )
    yield Hostile("manifest: an entry of text", _lists({"a": "b"}), sealed=False)
    yield Hostile("manifest: brackets only", _writes(Path("manifest.json"), DEEP), sealed=False)


def _writes(name: Path, content: bytes) -> Callable[[Path], None]:
    return lambda room: _write(room / name, content)


def _saves(name: Path, arrays: dict[str, Any]) -> Callable[[Path], None]:
    return lambda room: save_file(
        {n: np.ascontiguousarray(a) for n, a in arrays.items()}, room / name
    )


def _replaces(name: Path, place: tuple[Any, ...], value: Any) -> Callable[[Path], None]:
    def spoil(room: Path) -> None:
        described = json.loads((room / name).read_text())
        part = described
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = value
        (room / name).write_text(json.dumps(described))

    return spoil


def _lists(files: dict[str, Any]) -> Callable[[Path], None]:
    def spoil(room: Path) -> None:
        record = json.loads((room / "manifest.json").read_text())
        record["files"] |= files
        (room / "manifest.json").write_text(json.dumps(record))

    return spoil


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _put(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 107 letters
        own.bind(path.name)
        os.chdir(before)


def _safetensors(header: Any, data: bytes = b"") -> bytes:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + data


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the places of all values in JSON; of a list the first."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:1] if isinstance(value, list) else ())
    )
    for key, part in items:
        if key != "made_with":
            yield (*at, key)
            yield from _places(part, (*at, key))


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
        told = pipe.read()
    return (
        json.loads(told)
        if told
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
    given = arguments(__doc__, only=(*kinds, "adapter", "tasks", "languages", "graph"))
    report, rows = Report("hostile_folders"), []
    os.environ["NLPTL_CACHE"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as place:
        room = Path(place)
        for name, model in models(room).items():
            model.ask(model.load(model.folder))  # what is imported late is here before any child is
            ways = [] if given.only not in (None, name) else list(hostile(name, model.folder))
            for way in ways[:: QUICK if given.quick else 1]:
                rows.append({"kind": name, "way": way, **_tried(model, way, room)})
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

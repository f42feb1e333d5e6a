"""Ways to spoil the folder of a model, for hostile_folders.py.

JSON that is nested, repeated, cut or of other types; arrays that overlap, lie outside of their
file or do not fit together; links, pipes and folders in place of files; names that lead elsewhere.
"""

import json
import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

DEEP = b"[" * 100_000 + b"]" * 100_000
DOCUMENTS = ("model.json", "languages.json", "nlptl_onnx.json", "words.json", "store.json")
VALUES = (None, [], {}, "x", -1, 10**30, 1.5, [["x"]])


@dataclass(frozen=True)
class Hostile:
    """One way to spoil a folder; ``nonsense`` if it cannot be a model afterwards."""

    name: str
    spoil: Callable[[Path], None]
    nonsense: bool = True
    sealed: bool = True


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
        if key not in ("cost", "history", "check", "made_with", "precision"):
            yield Hostile(f"{name}: without {key}", _writes(name, json.dumps(kept).encode()))


def spoilt_arrays(name: Path, path: Path) -> Iterator[Hostile]:
    """Spoil a file of arrays: its header, its layout, its numbers."""
    arrays = load_file(path)
    first = min(arrays)
    raw = path.read_bytes()
    shared = {"dtype": "U8", "shape": [1_000_000], "data_offsets": [0, 1_000_000]}
    element = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    headers: dict[str, tuple[Any, int]] = {
        "a header that is a list": ([], 0),
        "arrays that overlap": ({f"{first}_{i}": shared for i in range(5_000)}, 1_000_000),
        "arrays outside of the file": ({first: {**element, "data_offsets": [8, 16]}}, 8),
        "arrays before the file": ({first: {**element, "data_offsets": [-8, 0]}}, 8),
        "a shape of text": ({first: {**element, "shape": ["2"]}}, 8),
        "a negative shape": ({first: {**element, "shape": [-2, -1]}}, 8),
        "an overflowing shape": (
            {first: {**element, "shape": [2**32, 2**32], "data_offsets": [0, 0]}},
            0,
        ),
        "nothing times very much": (
            {first: {**element, "shape": [0, 2**62], "data_offsets": [0, 0]}},
            0,
        ),
        "an unknown type": ({first: {**element, "dtype": "F8_E4M3"}}, 8),
        "complex numbers": ({first: {**element, "dtype": "C64", "shape": [1]}}, 8),
        "no shape": ({first: {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
        "an entry of text": ({first: "F32"}, 8),
        "no arrays": ({}, 0),
        "a gap": ({first: {**element, "data_offsets": [8, 16]}}, 16),
    }
    for kind, (header, size) in headers.items():
        yield Hostile(f"{name}: {kind}", _writes(name, _safetensors(header, bytes(size))))
    twice = (
        json.dumps({first: element}).encode()[:-1]
        + b","
        + json.dumps({first: element}).encode()[1:]
    )
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
            room / file, lambda at: at.symlink_to(folder / file)
        ),
        "a link for the manifest": lambda room: _put(
            room / "manifest.json", lambda at: at.symlink_to("/etc/passwd")
        ),
        "a device for a file": lambda room: _put(
            room / file, lambda at: at.symlink_to("/dev/zero")
        ),
        "a dangling link": lambda room: (room / "more.json").symlink_to("nowhere"),
        "a circle of links": lambda room: (room / "more").symlink_to("more"),
        "a linked folder": lambda room: (room / "more").symlink_to(inner),
        "a folder linked within": lambda room: (room / "more").symlink_to("."),
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
    with socket.socket(socket.AF_UNIX) as baseline:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 107 letters
        baseline.bind(path.name)
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

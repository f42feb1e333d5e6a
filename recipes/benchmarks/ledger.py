"""Ledgers: files that keep the figures of a benchmark, with the origin of each figure."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nlptl

LIBRARIES = ("torch", "transformers", "scikit-learn", "numpy")
PACKAGE = Path(nlptl.__file__).parent
SAME = ("code", "machine", "threads", "versions")
"""Parts of an origin that must be equal for a figure to be reused."""


def origin() -> dict[str, Any]:
    """Describe what measures now: code of nlptl, commit, date, machine, threads and versions."""
    import torch

    return {
        "code": package_digest(),
        "commit": commit(),
        "date": date.today().isoformat(),
        "machine": machine_kind(),
        "threads": torch.get_num_threads(),
        "versions": {"nlptl": nlptl.__version__, **{name: version(name) for name in LIBRARIES}},
    }


def package_digest() -> str:
    """Hash the Python files of the imported nlptl. It changes only if the package changes."""
    digest = sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]


def commit() -> str:
    """Return the short commit of the imported nlptl, with "+" if its files were changed since."""
    try:
        return _git("rev-parse", "--short", "HEAD") + (
            "+" if _git("status", "--short", ".") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine_kind() -> str:
    """Return the GPU, or the vector instructions of the CPU, with or without bfloat16."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()
    kinds = {"avx512f": "AVX-512", "avx2": "AVX2"}
    name = next((name for flag, name in kinds.items() if flag in flags), platform.machine())
    return f"{name}, {'with' if {'avx512_bf16', 'amx_bf16'} & flags else 'without'} bfloat16"


def _git(*words: str) -> str:
    command = ["git", "-C", str(PACKAGE), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Kept:
    """Keep figures in a file, so that an interrupted benchmark continues where it stopped.

    Several runs may add to one file, one after the other or at the same time. A line of the file
    is a figure or the origin of a run. Each figure names its run.

    A figure is reused only if it was measured with the same code of nlptl, on the same kind of
    machine, with the same number of threads and the same versions of the libraries.

    Parameters
    ----------
    path : str or None
        A file with lines of JSON. None keeps nothing.
    reuse_older : bool
        True to reuse figures of another or of an unknown origin as well.
    """

    def __init__(self, path: str | None, *, reuse_older: bool = False) -> None:
        self.path = None if path is None else Path(path)
        self.reuse_older = reuse_older
        self.origin = origin()
        self.run = sha256(json.dumps(self.origin).encode()).hexdigest()[:8]
        self.reused: dict[str, int] = {}
        """Number of reused older figures per commit and date."""
        figures, origins = self._read()
        older = [line["run"] for line in figures if not self._is_current(line["run"], origins)]
        if older:
            action = "reused if needed" if reuse_older else "ignored; --reuse-older reuses them"
            places = ", ".join(dict.fromkeys(_place(origins.get(run, {})) for run in older))
            sys.stderr.write(
                f"{self.path}: {len(older)} figures of other code, another machine or other "
                f"versions are {action} ({places}).\n"
            )

    def once(self, measure: Callable[[], float], **of: Any) -> float:
        """Return a figure: the kept one, or else the result of a measurement now.

        Parameters
        ----------
        measure : callable
            Returns the figure.
        **of
            What was measured: set, seed, method.
        """
        return self.several(lambda: {"figure": float(measure())}, **of)["figure"]

    def several(self, measure: Callable[[], dict[str, Any]], **of: Any) -> dict[str, Any]:
        """Return several figures by name that are measured together, as ``once`` does."""
        line = self._kept_line(of)
        if line is not None:
            return {name: value for name, value in line.items() if name not in {*of, "run"}}
        figures = measure()
        sys.stdout.write(json.dumps({**of, **figures}) + "\n")
        sys.stdout.flush()
        self._add({**of, **figures, "run": self.run})
        return figures

    def note(self) -> str | None:
        """Return a sentence about the older figures that were reused, or None without any."""
        if not self.reused:
            return None
        return (
            f"{sum(self.reused.values())} figures of this report are older and were reused: "
            f"{', '.join(self.reused)}."
        )

    def _kept_line(self, of: dict[str, Any]) -> dict[str, Any] | None:
        """Return the newest line of this origin, or of another one if that is allowed."""
        figures, origins = self._read()
        lines = [line for line in figures if {name: line.get(name) for name in of} == of]
        current = [line for line in lines if self._is_current(line["run"], origins)]
        if current or not (lines and self.reuse_older):
            return current[-1] if current else None
        place = _place(origins.get(lines[-1]["run"], {}))
        self.reused[place] = self.reused.get(place, 0) + 1
        return lines[-1]

    def _is_current(self, run: str, origins: dict[str, dict[str, Any]]) -> bool:
        measured = origins.get(run, {})
        return all(measured.get(name) == self.origin[name] for name in SAME)

    def _read(self) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """Return the lines with figures, and the origin of each run."""
        if self.path is None or not self.path.exists():
            return [], {}
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        figures = [{"run": "unknown", **line} for line in lines if "versions" not in line]
        return figures, {line["run"]: line for line in lines if "versions" in line}

    def _add(self, figure: dict[str, Any]) -> None:
        """Append a figure, after the origin of this run if the file lacks it."""
        if self.path is None:
            return
        header = [] if self.run in self._read()[1] else [{"run": self.run, **self.origin}]
        text = "".join(json.dumps(line) + "\n" for line in [*header, figure])
        with self.path.open("a") as file:
            file.write(text)


def _place(measured: dict[str, Any]) -> str:
    """Return the commit and the date of an origin."""
    return f"commit {measured.get('commit', 'unknown')} of {measured.get('date', 'unknown date')}"

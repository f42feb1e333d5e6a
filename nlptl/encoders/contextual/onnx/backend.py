"""Choose between torch and onnxruntime for the vectors of texts."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base import clock
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.machine import processor_name
from nlptl.encoders.contextual.loaded import default_device
from nlptl.encoders.contextual.onnx.encoder_session import EncoderSession, torch_states
from nlptl.encoders.contextual.onnx.graph_cache import graph_file, graph_folder
from nlptl.encoders.contextual.precision import PROBE
from nlptl.encoders.contextual.windows import Windows
from nlptl.storage.machine_choices import read_choices, record_choice

if TYPE_CHECKING:
    from nlptl.encoders.contextual.text_reader import TextReader

_WORTH = 2e12
"""Floating-point operations from which a graph is written and timed. For MiniLM, writing and timing
take about 5 seconds, and this work takes about 30 seconds on one core without AVX-512. The earlier
calls of the process count too."""

_MAX_WINDOW = 1024
"""Tokens per window up to which "auto" considers a graph. The memory of its attention grows with
the square of the window."""

_FASTER = 0.95
"""A graph is used if it needs at most this share of the time of torch."""

_TIMED_TOKENS = 4096
_N_TIMINGS = 3
_MAX_OPEN = 4

_OPEN: OrderedDict[tuple[Path, int, int], EncoderSession] = OrderedDict()
_LOCK = Lock()
_DONE: Counter[Path] = Counter()
"""Floating-point operations that torch has done in this process, by the record of the choice."""

_READ: dict[tuple[Path, int], Any] = {}
"""Recorded choices that this process has read, by record and number of threads."""

_LONG_RUN: ContextVar[bool] = ContextVar("a long run begins", default=False)


@contextmanager
def beginning_long_run() -> Iterator[None]:
    """Choose the backend of every encoder inside the block as if much work were ahead."""
    token = _LONG_RUN.set(True)
    try:
        yield
    finally:
        _LONG_RUN.reset(token)


def session_for(
    reader: TextReader, precision: str, backend: str, windows: Windows, *, share: float
) -> EncoderSession | None:
    """Return the session that encodes windows, or None if torch encodes them.

    Parameters
    ----------
    reader : TextReader
        Reader of the encoder.
    precision : {"float32", "bfloat16", "int8"}
    backend : {"auto", "torch", "onnx"}
        With ``"auto"``, a graph is written when a call has enough work to repay it. It is used if
        its vectors agree with those of torch, and if it is faster in a short timing, which is
        recorded in the cache folder for this machine.
    windows : Windows
        Windows of the first texts of the call.
    share : float
        Share of the texts of the call that these windows come from.

    Raises
    ------
    ConfigError
        If a graph was asked for, and this encoder or this machine cannot have one.
    StorageError
        If a graph was asked for, and the cache folder cannot be written.
    """
    if not windows.ids or reader.weights is not None:
        return None
    if backend == "onnx" or precision == "int8":
        return _session(reader, precision)
    if backend == "torch" or precision != "float32" or not _considers(reader):
        return None
    try:
        return _chosen_session(reader, windows, share)
    except StorageError:  # there is no cache folder to write to
        return None


def _considers(reader: TextReader) -> bool:
    """Return True if a graph of this encoder can be faster here."""
    return _obstacle(reader) is None and reader.window <= _MAX_WINDOW and _has_packages()


@lru_cache
def _has_packages() -> bool:
    """Return True if a graph can be written and run."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def _obstacle(reader: TextReader) -> str | None:
    """Return why this encoder can have no graph, or None if it can."""
    device = reader.device or default_device()
    if device != "cpu":
        return f"runs on the processor, got device={device!r}. Use device='cpu'"
    if reader.is_stock:
        return "has no Pooling(tokens='stock'). Choose another pooling"
    return None


def _chosen_session(reader: TextReader, windows: Windows, share: float) -> EncoderSession | None:
    """Return the session if the recorded or a new timing says that it is faster."""
    path, work = graph_folder(reader, "float32").with_suffix(".json"), _operations(reader, windows)
    enough = _DONE[path] + work / share >= _WORTH or _LONG_RUN.get()
    choice = _recorded(path)
    if choice is None and enough:
        choice = _time_both(reader, windows)
        record_choice(path, _machine(), choice)
        _READ.clear()
    if not isinstance(choice, dict) or choice.get("backend") != "onnx":
        _DONE[path] += int(work)
        return None
    return _session(reader, "float32")


def _recorded(path: Path) -> Any:
    """Return the recorded choice for this machine, or None. The file is read once per process."""
    import torch

    key = (path, torch.get_num_threads())
    if key not in _READ:
        _READ[key] = read_choices(path).get(_machine())
    return _READ[key]


def _time_both(reader: TextReader, windows: Windows) -> dict[str, Any]:
    """Write the graph, compare it with torch, and time both. A failure is a choice of torch."""
    try:
        session = _session(reader, "float32")
    except StorageError:
        raise
    except Exception as problem:  # exporters fail in many ways on model families they do not know
        return {"backend": "torch", "because": str(problem)[:200]}
    enough = windows.sizes.sum() >= _TIMED_TOKENS
    sample = _sample(windows) if enough else reader.windows(PROBE)
    ways = {"torch": lambda: torch_states(reader, sample), "onnx": lambda: session.states(sample)}
    timings = [{name: _seconds(way) for name, way in ways.items()} for _ in range(_N_TIMINGS)]
    shortest = {name: min(timing[name] for timing in timings) for name in ways}
    chosen = "onnx" if shortest["onnx"] <= _FASTER * shortest["torch"] else "torch"
    return {"backend": chosen, "seconds": shortest}


def _seconds(run: Callable[[], object]) -> float:
    """Return the seconds that a function needs."""
    began = clock.seconds()
    run()
    return clock.seconds() - began


def _session(reader: TextReader, precision: str) -> EncoderSession:
    """Return the session of an encoder. A process opens the graph once.

    Raises
    ------
    ConfigError
        If the encoder can have no graph.
    StorageError
        If the cache folder cannot be written.
    """
    import torch

    obstacle = _obstacle(reader)
    if obstacle is not None:
        raise ConfigError(f"Encoding with onnxruntime {obstacle}, or backend='torch'.")
    threads = torch.get_num_threads()
    key = (graph_folder(reader, precision), threads, os.getpid())  # no session survives a fork
    with _LOCK:
        if key in _OPEN:
            _OPEN.move_to_end(key)
            return _OPEN[key]
    session = EncoderSession.open(reader, graph_file(reader, precision), threads)
    with _LOCK:
        _OPEN[key] = session
        while len(_OPEN) > _MAX_OPEN:
            _OPEN.popitem(last=False)
    return session


def _operations(reader: TextReader, windows: Windows) -> float:
    """Estimate the floating-point operations of the linear layers: two per weight and token."""
    config = reader.folder.config
    width, layers = reader.folder.hidden_size, reader.folder.n_layers
    inner = int(getattr(config, "intermediate_size", 0) or 4 * width)
    weights = layers * (4 * width * width + 2 * width * inner)
    return 2.0 * weights * float(windows.sizes.sum())


def _sample(windows: Windows) -> Windows:
    """Return evenly spaced windows with a limited number of tokens."""
    n = max(1, int(_TIMED_TOKENS / windows.sizes.mean()))
    return windows.take(np.unique(np.linspace(0, len(windows.ids) - 1, n).astype(int)))


def _machine() -> str:
    """Return what the speed of a graph depends on, besides the encoder."""
    import onnxruntime
    import torch

    versions = f"torch {torch.__version__} onnxruntime {onnxruntime.__version__}"
    return f"{processor_name()} {versions} threads {torch.get_num_threads()}"

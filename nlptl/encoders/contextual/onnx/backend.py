"""Choose between torch and onnxruntime for the vectors of texts, and run the graph."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base import clock
from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.machine import processor_name
from nlptl.encoders.contextual.forward import pooled_states
from nlptl.encoders.contextual.loaded import default_device
from nlptl.encoders.contextual.onnx.graph_cache import (
    OUTPUT,
    cosines,
    full_precision,
    graph_file,
    graph_folder,
    has_types,
    read_choices,
    record_choice,
)
from nlptl.encoders.contextual.onnx.session import TOKENS_PER_THREAD, open_session, run_graph
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS
from nlptl.encoders.contextual.precision import LEAST_COSINE, LEAST_MEAN_COSINE, PROBE
from nlptl.encoders.contextual.windows import Windows

if TYPE_CHECKING:
    from nlptl.encoders.contextual.text_reader import TextReader

BACKENDS = ("auto", "torch", "onnx")

_LEAST_MEAN_COSINE_INT8 = 0.95
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
_CHOICES = "choices.json"
_MAX_OPEN = 4

_OPEN: OrderedDict[tuple[Path, int, int], Any] = OrderedDict()
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


@dataclass(frozen=True)
class EncoderSession:
    """The graph of an encoder in onnxruntime.

    Attributes
    ----------
    session : InferenceSession
    padding : int
        Id of the token that fills shorter rows.
    types : bool
        True if the graph has an input for token types.
    threads : int
    """

    session: Any
    padding: int
    types: bool
    threads: int

    def states(self, windows: Windows) -> FloatArray:
        """Return the pooled vectors of at least one window: (n_windows, n_layers, dim)."""
        kinds = windows.kinds
        if self.types and kinds is None:
            kinds = [[0] * len(ids) for ids in windows.ids]
        inputs = Windows(windows.ids, windows.text_of_window, windows.sizes, kinds)
        budget = TOKENS_PER_THREAD * self.threads
        states = run_graph(
            self.session, inputs, OUTPUT, padding=self.padding, tokens_per_batch=budget
        )
        if states is None:
            raise ValueError("there is no window to encode")
        return states


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
        return _checked_session(reader, precision)
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
    return _open(reader, "float32")


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
        session = _checked_session(reader, "float32")
    except StorageError:
        raise
    except Exception as problem:  # exporters fail in many ways on model families they do not know
        return {"backend": "torch", "because": str(problem)[:200]}
    enough = windows.sizes.sum() >= _TIMED_TOKENS
    sample = _sample(windows) if enough else reader.windows(PROBE)
    ways = {"torch": lambda: _torch_states(reader, sample), "onnx": lambda: session.states(sample)}
    timings = [{name: _seconds(way) for name, way in ways.items()} for _ in range(_N_TIMINGS)]
    shortest = {name: min(timing[name] for timing in timings) for name in ways}
    chosen = "onnx" if shortest["onnx"] <= _FASTER * shortest["torch"] else "torch"
    return {"backend": chosen, "seconds": shortest}


def _seconds(run: Callable[[], object]) -> float:
    """Return the seconds that a function needs."""
    began = clock.seconds()
    run()
    return clock.seconds() - began


def _checked_session(reader: TextReader, precision: str) -> EncoderSession:
    """Return the session of an encoder. A new graph is compared with torch first.

    Raises
    ------
    ConfigError
        If the encoder can have no graph, or its vectors do not agree with those of torch.
    """
    obstacle = _obstacle(reader)
    if obstacle is not None:
        raise ConfigError(f"Encoding with onnxruntime {obstacle}, or backend='torch'.")
    is_new = not any(graph_folder(reader, precision).glob("*.onnx"))
    try:
        session = _open(reader, precision)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as problem:
        if isinstance(problem, ConfigError):
            raise
        raise ConfigError(
            f"The encoder {reader.folder.name!r} cannot be written as a graph "
            f"({type(problem).__name__}: {str(problem)[:120]}). Use backend='torch'."
        ) from problem
    if is_new:
        _check(reader, precision, session)
    return session


def _check(reader: TextReader, precision: str, session: EncoderSession) -> None:
    """Compare the vectors of a graph with those of torch, and delete a graph that differs."""
    sentences = reader.windows(PROBE)
    similarity = cosines(_torch_states(reader, sentences), session.states(sentences))
    least_mean, least = (
        (_LEAST_MEAN_COSINE_INT8, 0.0) if precision == "int8" else (LEAST_MEAN_COSINE, LEAST_COSINE)
    )
    if similarity.mean() >= least_mean and similarity.min() >= least:
        return
    _close(graph_folder(reader, precision))
    graph_file(reader, precision).unlink(missing_ok=True)
    raise ConfigError(
        f"The graph of {reader.folder.name!r} in {precision} returns other vectors than torch: "
        f"their mean cosine on {len(PROBE)} sentences is {similarity.mean():.4f}, and it must be "
        f"at least {least_mean}. Use backend='torch', precision='float32'."
    )


def _open(reader: TextReader, precision: str) -> EncoderSession:
    """Return the session of a graph. A process opens it once."""
    import torch

    folder, threads = graph_folder(reader, precision), torch.get_num_threads()
    key = (folder, threads, os.getpid())  # a session does not survive a fork
    session = _OPEN.get(key)
    if session is None:
        path = graph_file(reader, precision)
        session = open_session(str(path), threads, path)
        with _LOCK:
            _OPEN[key] = session
            while len(_OPEN) > _MAX_OPEN:
                _OPEN.popitem(last=False)
    return EncoderSession(session, reader.padding, has_types(reader), threads)


def _close(folder: Path) -> None:
    """Forget the sessions of a graph."""
    with _LOCK:
        for key in [key for key in _OPEN if key[0] == folder]:
            del _OPEN[key]


def _torch_states(reader: TextReader, windows: Windows) -> FloatArray:
    pooling = reader.pooling
    pool = TOKEN_POOLINGS[pooling.tokens]
    return pooled_states(full_precision(reader), windows, layers=pooling.layers, pool=pool)


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
    rows = np.unique(np.linspace(0, len(windows.ids) - 1, n).astype(int))
    kinds = windows.kinds
    return Windows(
        [windows.ids[row] for row in rows],
        np.arange(len(rows)),
        windows.sizes[rows],
        None if kinds is None else [kinds[row] for row in rows],
    )


def _machine() -> str:
    """Return what the speed of a graph depends on, besides the encoder."""
    import onnxruntime
    import torch

    versions = f"torch {torch.__version__} onnxruntime {onnxruntime.__version__}"
    return f"{processor_name()} {versions} threads {torch.get_num_threads()}"

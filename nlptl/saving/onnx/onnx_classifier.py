"""Answering from an exported graph, without torch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.described import entry, finite, make
from nlptl.base.errors import InputError, IntegrityError, StorageError
from nlptl.base.lazy import require
from nlptl.data.batches import by_length
from nlptl.data.labels import LabelCodec, check_lengths
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.contextual.encoder_folder import check_patterns
from nlptl.encoders.contextual.windows import Windows
from nlptl.hub.model_place import place_of
from nlptl.saving.description_checks import check_labels, read_notes
from nlptl.saving.onnx.graph_checks import OnnxCheck
from nlptl.storage.atomic import saved_folder
from nlptl.storage.hashing import sha256_once
from nlptl.storage.manifest import verify_manifest
from nlptl.storage.tensors import check_array, load_arrays
from nlptl.storage.untrusted import interpreting, read_json

KIND = "onnx-classifier"
GRAPH, TOLD, HEAD = "model.onnx", "nlptl_onnx.json", "head.safetensors"

_PROBE = "The order arrived late."

_MAX_ID = 2**31
_TOKEN_POOLINGS = ("mean", "cls", "max", "stock")
_TOKENS_PER_THREAD = 512
"""Padded tokens of a batch, a thread."""


@dataclass(frozen=True)
class ReadingSettings:
    """How texts are read, as the model that was exported reads them.

    Attributes
    ----------
    pooling : dict
        The options of ``Pooling``.
    window : int
        Tokens at once, special tokens included.
    overlap : int or None
        Tokens that the windows of a longer text share; None where it is cut.
    pairs : bool
        Whether two texts are read together.
    kinds : bool
        Whether the graph is told which of the two a token is of.
    prompt : str
        What stands before each text.
    padding : int
        The token that fills shorter rows.
    """

    pooling: dict[str, Any]
    window: int
    overlap: int | None
    pairs: bool
    kinds: bool
    prompt: str
    padding: int


class OnnxClassifier:
    """A classifier that was exported with ``format="onnx"``; made by ``load``, never fitted.

    It needs onnxruntime and tokenizers, not torch, and runs on the processor.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels as they were given to ``fit``; the columns of ``predict_proba``.
    check_ : OnnxCheck
        How far the graph agreed with the model when it was written.
    notes_ : dict
        Which columns of a table the model was trained on, where it was trained on one.

    Examples
    --------
    >>> OnnxClassifier.load("exported")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        told = read_json(folder / TOLD)
        check_labels(told["codec"])
        self.codec = LabelCodec.from_json(told["codec"])
        self.classes_: AnyArray = self.codec.classes
        self.thresholds = None
        if self.codec.form != "single":
            self.thresholds = finite(told, "thresholds", size=len(self.classes_))
        elif told["thresholds"] is not None:
            raise ValueError("thresholds, though a text has one label")
        self.reading = make(ReadingSettings, told["reading"])
        _check_pooling(self.reading.pooling)
        self.check_ = make(OnnxCheck, told["check"]) if "check" in told else None
        self.notes_: dict[str, Any] = read_notes(told)
        self._head = load_arrays(folder / HEAD)
        self._threads = threads or threads_here()
        self._tokenizer = self._read_tokenizer(folder)
        self._graph = _Graph.of(folder / GRAPH)
        self._session = _session(str(folder / GRAPH), self._threads, self._graph.path)
        self._check()

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the running graph, with the bytes of its file."""
        state = {name: value for name, value in self.__dict__.items() if name != "_session"}
        return state | {"_graph": self._graph.with_content()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copied state, and run the graph from its bytes."""
        self.__dict__.update(state)
        content = self._graph.content
        if content is None:
            raise StorageError(f"The copy of {str(self._graph.path)!r} has no graph in it.")
        self._session = _session(content, self._threads, self._graph.path)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Read an exported folder, checking every file.

        Parameters
        ----------
        folder : str or Path
        threads : int, optional
            None is what ``OMP_NUM_THREADS`` says, else one a processor.

        Raises
        ------
        ConfigError
            If onnxruntime is not there.
        StorageError
            If there is no such export, or a newer release wrote it.
        IntegrityError
            If a file is missing or was changed; it is named.
        """
        place = saved_folder(folder)
        verify_manifest(place, kind=KIND)
        with interpreting(place, remedy="Export the model again."):
            loaded = cls(place, threads=threads)
            probe = Rows([(_PROBE, _PROBE) if loaded.reading.pairs else _PROBE])
            loaded._logits_of(loaded._windows(probe))
            return loaded

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, revision: str | None = None, threads: int | None = None
    ) -> Self:
        """Read an export from the Hub, its cache or a folder; options as in ``load``."""
        return cls.load(place_of(name_or_path, revision=revision), threads=threads)

    def predict(self, texts: Any) -> Any:
        """Give the label of each text, as labels were given to ``fit``."""
        return self.decode(self.predict_proba(texts))

    def decode(self, probabilities: FloatArray) -> Any:
        """Give the labels that belong to probabilities (n, n_classes) from ``predict_proba``."""
        return self.codec.decode(self.choose(probabilities))

    def predict_proba(self, texts: Any) -> FloatArray:
        """Give the probability of each class: (n, n_classes), in the order of the texts."""
        logits = self.logits(texts)
        if self.thresholds is not None:
            return (1 + np.tanh(logits / 2)) / 2  # the logistic function, which never overflows
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: FloatArray = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def choose(self, probabilities: FloatArray) -> IntArray:
        """Give the code of each row (n,), or zeros and ones (n, n_classes)."""
        if self.thresholds is not None:
            return (probabilities >= self.thresholds).astype(np.int64)
        best: IntArray = probabilities.argmax(axis=1)
        return best

    def logits(self, texts: Any) -> FloatArray:
        """Give calibrated logits: (n, n_classes), in the order of the texts.

        Raises
        ------
        InputError
            If the texts cannot be used, or are pairs where the model knows single texts.
        """
        return self._logits_of(self._windows(self._rows(texts)))

    def _logits_of(self, windows: Windows) -> FloatArray:
        owner = windows.text_of_window
        alone = np.bincount(owner)[owner] == 1
        found = np.empty((int(owner[-1]) + 1, len(self.classes_)), dtype=np.float32)
        found[owner[alone]] = self._run(_some(windows, alone), "logits")
        if not alone.all():
            several = _some(windows, ~alone)
            found[np.unique(several.text_of_window)] = self._joined(several)
        return found

    def evaluate(self, texts: Any, labels: Any) -> dict[str, float]:
        """Give every figure of merit on labelled texts, as ``TextClassifier.evaluate`` does."""
        from nlptl.evaluation.metrics import measure

        truth, probabilities = self.codec.encode(labels), self.predict_proba(texts)
        return measure(truth, probabilities, self.choose(probabilities))

    def class_scores(self, texts: Any, labels: Any) -> list[Any]:
        """Give precision, recall and F1 of each class on labelled texts."""
        from nlptl.evaluation.class_metrics import class_scores

        truth, names = self.codec.encode(labels), [str(label) for label in self.classes_.tolist()]
        chosen = self.choose(self.predict_proba(texts))
        check_lengths(truth, chosen)
        return class_scores(truth, chosen, names)

    def _rows(self, texts: Any) -> Rows:
        rows = as_rows(texts)
        if rows.are_pairs != self.reading.pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.reading.pairs]}, got "
                f"{kinds[rows.are_pairs]}, the first being {rows[0]!r}."
            )
        return rows

    def _read_tokenizer(self, folder: Path) -> Any:
        from tokenizers import Tokenizer

        if not 0 < self.reading.window <= _MAX_ID:
            raise ValueError(f"a window of {self.reading.window} tokens")
        found = Tokenizer.from_file(str(folder / "tokenizer.json"))
        check_patterns(found, str(folder))
        found.no_padding()
        found.enable_truncation(self.reading.window, stride=self.reading.overlap or 0)
        return found

    def _check(self) -> None:
        """Run the graph on the largest token and on a short text, and compare shapes."""
        ids = self._tokenizer.get_vocab().values()
        if not ids or not 0 <= self.reading.padding <= _MAX_ID:
            raise ValueError(f"{len(ids)} tokens, padding with {self.reading.padding}")
        kinds = [[0, 0]] if self.reading.kinds else None
        row = [self.reading.padding, max(ids)]
        windows = Windows([row], np.zeros(1, np.int64), np.array([2]), kinds)
        logits, vectors = (self._run(windows, output) for output in ("logits", "vectors"))
        _, n_layers, width = vectors.shape
        n_classes, joins = len(self.classes_), {"concat": n_layers * width, "mean": width}
        check_array("logits", logits, (1, n_classes))
        check_array(
            "weight", self._head["weight"], (n_classes, joins[self.reading.pooling["join"]])
        )
        check_array("bias", self._head["bias"], (n_classes,))
        self.logits([("a", "b")] if self.reading.pairs else ["a"])

    def _windows(self, rows: Rows) -> Windows:
        prompt = self.reading.prompt
        given = [(prompt + t[0], t[1]) if self.reading.pairs else prompt + str(t) for t in rows]
        encoded = self._tokenizer.encode_batch(given)
        whole = self.reading.overlap is not None
        parts = [[one, *(one.overflowing if whole else ())] for one in encoded]
        flat = [part for several in parts for part in several]
        return Windows(
            ids=[part.ids for part in flat],
            text_of_window=np.repeat(np.arange(len(parts)), [len(several) for several in parts]),
            sizes=np.fromiter((len(part.ids) for part in flat), dtype=np.int64, count=len(flat)),
            kinds=[part.type_ids for part in flat] if self.reading.kinds else None,
        )

    def _run(self, windows: Windows, output: str) -> FloatArray:
        """Run the graph over windows, in batches of like length; rows come as they were given."""
        parts: list[FloatArray] = []
        batches = by_length(windows.sizes, tokens_per_batch=_TOKENS_PER_THREAD * self._threads)
        for rows in batches:
            shape = (len(rows), int(windows.sizes[rows].max()))
            given = {"input_ids": np.full(shape, self.reading.padding)}
            given["attention_mask"] = np.zeros(shape, dtype=np.int64)
            if windows.kinds is not None:
                given["token_type_ids"] = np.zeros(shape, dtype=np.int64)
            for place, row in enumerate(rows):
                size = int(windows.sizes[row])
                given["input_ids"][place, :size] = windows.ids[row]
                given["attention_mask"][place, :size] = 1
                if windows.kinds is not None:
                    given["token_type_ids"][place, :size] = windows.kinds[row]
            parts.extend(self._session.run([output], given))
        if not parts:
            return np.zeros((0, len(self.classes_)), dtype=np.float32)
        found = np.concatenate(parts)
        found[np.concatenate(batches)] = found.copy()
        return found

    def _joined(self, windows: Windows) -> FloatArray:
        """Give logits of texts of several windows, which are pooled before the head sees them."""
        from nlptl.encoders.contextual.pooling import Pooling, join_layers, join_windows

        told = self.reading.pooling
        pooling = Pooling(**{**told, "layers": tuple(told["layers"])})
        _, texts = np.unique(windows.text_of_window, return_inverse=True)
        vectors = join_windows(
            self._run(windows, "vectors"), texts, windows.sizes, largest=pooling.tokens == "max"
        )
        joined = join_layers(vectors, pooling)
        logits: FloatArray = joined @ self._head["weight"].T + self._head["bias"]
        return logits


def threads_here() -> int:
    """Give what ``OMP_NUM_THREADS`` says, as torch goes by, else the processors there are."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


@dataclass(frozen=True)
class _Graph:
    """The file of a graph, or its bytes, from which copies of a model are built.

    Attributes
    ----------
    path : Path
        Where the file was when the model was loaded.
    sha256 : str
        Of the file at that time.
    content : bytes or None
        The bytes of the file. Only copies hold them: the graph in memory is large enough.
    """

    path: Path
    sha256: str
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path.absolute(), sha256_once(path))

    def with_content(self) -> Self:
        """Return the graph with the bytes of its file.

        Raises
        ------
        StorageError
            If the file is missing, or not the one that was loaded.
        """
        if self.content is not None:
            return self
        content = self.path.read_bytes() if self.path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise StorageError(
                f"A copy of the model is built from {str(self.path)!r}, which is missing or was "
                "changed after the model was loaded. Load the model again, then copy it."
            )
        return replace(self, content=content)


def _check_pooling(described: dict[str, Any]) -> None:
    """Check the options of ``Pooling``, which is imported only where a text has several windows."""
    types = {
        "tokens": str,
        "layers": list[int],
        "join": str,
        "dimension": int | None,
        "normalize": bool,
    }
    for name, kind in types.items():
        entry(described, name, kind)
    if set(described) != set(types) or described["tokens"] not in _TOKEN_POOLINGS:
        raise ValueError(f"pooling {str(described)[:80]}")


def _session(graph: str | bytes, threads: int, path: Path) -> Any:
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # the runtime raises kinds of its own, which share no parent
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise IntegrityError(f"{str(path)!r} cannot be read as a graph: {reason}.") from problem


def _some(windows: Windows, kept: AnyArray) -> Windows:
    """Keep the windows that are marked."""
    places: IntArray = np.flatnonzero(kept)
    return Windows(
        ids=[windows.ids[place] for place in places],
        text_of_window=windows.text_of_window[places],
        sizes=windows.sizes[places],
        kinds=None if windows.kinds is None else [windows.kinds[place] for place in places],
    )

"""Predict with an exported graph, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.described import entry, finite, make
from nlptl.base.errors import InputError, StorageError
from nlptl.base.inputs import JsonObject, LabelsLike, TextsLike
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows, as_rows, rows_to_predict
from nlptl.encoders.contextual.encoder_folder import check_patterns
from nlptl.encoders.contextual.onnx.session import TOKENS_PER_THREAD, open_session, run_graph
from nlptl.encoders.contextual.windows import Windows
from nlptl.hub.model_place import place_of
from nlptl.saving.description_checks import check_labels, read_notes
from nlptl.saving.onnx.graph_checks import OnnxCheck
from nlptl.saving.onnx.graph_file import GraphFile
from nlptl.storage.atomic import saved_folder
from nlptl.storage.manifest import verify_manifest
from nlptl.storage.tensors import check_array, load_arrays
from nlptl.storage.untrusted import interpreting, read_json

KIND = "onnx-classifier"
GRAPH, DESCRIPTION, HEAD = "model.onnx", "nlptl_onnx.json", "head.safetensors"

_PROBE = "The order arrived late."

_MAX_ID = 2**31
_TOKEN_POOLINGS = ("mean", "cls", "max", "stock")


@dataclass(frozen=True)
class ReadingSettings:
    """The settings with which the exported model reads texts.

    Attributes
    ----------
    pooling : dict
        The options of ``Pooling``.
    window : int
        Tokens per window, including special tokens.
    overlap : int or None
        Tokens that neighbouring windows of a long text share; None if long texts are cut off.
    pairs : bool
        True if the model reads pairs of texts.
    kinds : bool
        True if the graph has an input for the text of a pair that a token belongs to.
    prompt : str
        Text that is added before each text.
    padding : int
        Id of the token that pads shorter rows.
    """

    pooling: dict[str, Any]
    window: int
    overlap: int | None
    pairs: bool
    kinds: bool
    prompt: str
    padding: int


class OnnxClassifier:
    """A classifier that was exported with ``format="onnx"``.

    Create it with ``load``. It cannot be fitted. It needs onnxruntime and tokenizers, but not
    torch, and runs on the CPU.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels as they were passed to ``fit``, in the order of the columns of
        ``predict_proba``.
    check_ : OnnxCheck
        Agreement of the graph with the model at the time of the export.
    notes_ : dict
        Columns of the table that the model was trained on; empty without a table.

    Examples
    --------
    >>> OnnxClassifier.load("exported")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        description = read_json(folder / DESCRIPTION)
        check_labels(description["codec"])
        self.codec = LabelCodec.from_json(description["codec"])
        self.classes_: AnyArray = self.codec.classes
        self.thresholds = None
        if self.codec.form != "single":
            self.thresholds = finite(description, "thresholds", size=len(self.classes_))
        elif description["thresholds"] is not None:
            shown = str(description["thresholds"])[:40]
            raise ValueError(f"expected no thresholds for one label per text, got {shown!r}")
        self.reading = make(ReadingSettings, description["reading"])
        _check_pooling(self.reading.pooling)
        self.check_ = make(OnnxCheck, description["check"]) if "check" in description else None
        self.notes_: dict[str, Any] = read_notes(description)
        self._head = load_arrays(folder / HEAD)
        self._threads = threads or threads_here()
        self._tokenizer = self._read_tokenizer(folder)
        self._graph = GraphFile.of(folder / GRAPH)
        self._session = open_session(str(folder / GRAPH), self._threads, self._graph.path)
        self._check()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the bytes of the graph file in place of the session."""
        state = {name: value for name, value in self.__dict__.items() if name != "_session"}
        return state | {"_graph": self._graph.with_content()}

    def __setstate__(self, state: JsonObject) -> None:
        """Restore a copied state, and start a session from the bytes of the graph."""
        self.__dict__.update(state)
        content = self._graph.content
        if content is None:
            raise StorageError(
                f"A copy of the model needs the graph of {str(self._graph.path)!r}, but contains "
                "none. Load the model again, then copy it."
            )
        self._session = open_session(content, self._threads, self._graph.path)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Load an exported model from a folder, after a check of every file.

        Parameters
        ----------
        folder : str or Path
        threads : int, optional
            Number of threads. None uses ``OMP_NUM_THREADS`` if it is set, else one thread per
            processor.

        Raises
        ------
        ConfigError
            If onnxruntime is not installed.
        StorageError
            If the folder contains no such export, or a newer release of nlptl wrote it.
        IntegrityError
            If a file is missing or was changed. The message names the file.
        """
        path = saved_folder(folder)
        verify_manifest(path, kind=KIND)
        with interpreting(path, remedy="Export the model again."):
            loaded = cls(path, threads=threads)
            probe = Rows([(_PROBE, _PROBE) if loaded.reading.pairs else _PROBE])
            loaded._logits_of(loaded._windows(probe))
            return loaded

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, revision: str | None = None, threads: int | None = None
    ) -> Self:
        """Read an export from the Hub, its cache or a folder; options as in ``load``."""
        return cls.load(place_of(name_or_path, revision=revision), threads=threads)

    def predict(self, texts: TextsLike) -> Any:
        """Return the label of each text, in the form of the labels passed to ``fit``.

        One text counts as a list of one text, and the list may be empty.
        """
        return self.decode(self.predict_proba(texts))

    def decode(self, probabilities: FloatArray) -> Any:
        """Return the labels for probabilities (n, n_classes) from ``predict_proba``."""
        return self.codec.decode(self.choose(probabilities))

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class: (n, n_classes), in the order of the texts."""
        logits = self.logits(texts)
        if self.thresholds is not None:
            return (1 + np.tanh(logits / 2)) / 2  # the logistic function, which never overflows
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: FloatArray = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def choose(self, probabilities: FloatArray) -> IntArray:
        """Return the class code of each row (n,), or zeros and ones (n, n_classes)."""
        if self.thresholds is not None:
            return (probabilities >= self.thresholds).astype(np.int64)
        best: IntArray = probabilities.argmax(axis=1)
        return best

    def logits(self, texts: TextsLike) -> FloatArray:
        """Return calibrated logits: (n, n_classes), in the order of the texts.

        Raises
        ------
        InputError
            If the texts are invalid, or are pairs although the model reads single texts, or single
            texts although it reads pairs.
        """
        rows = rows_to_predict(texts, self._rows)
        if not len(rows):
            return np.zeros((0, len(self.classes_)), dtype=np.float32)
        return self._logits_of(self._windows(rows))

    def _logits_of(self, windows: Windows) -> FloatArray:
        owner = windows.text_of_window
        alone = np.bincount(owner)[owner] == 1
        logits = np.empty((int(owner[-1]) + 1, len(self.classes_)), dtype=np.float32)
        logits[owner[alone]] = self._run(windows.take(np.flatnonzero(alone)), "logits")
        if not alone.all():
            several = windows.take(np.flatnonzero(~alone))
            logits[np.unique(several.text_of_window)] = self._joined(several)
        return logits

    def evaluate(self, texts: TextsLike, labels: LabelsLike) -> dict[str, float]:
        """Return all metrics on labelled texts, as ``TextClassifier.evaluate`` does."""
        from nlptl.saving.onnx.graph_scores import graph_figures

        return graph_figures(self, self._rows(texts), labels)

    def class_scores(self, texts: TextsLike, labels: LabelsLike) -> list[Any]:
        """Return precision, recall and F1 of each class on labelled texts."""
        from nlptl.saving.onnx.graph_scores import graph_class_scores

        return list(graph_class_scores(self, self._rows(texts), labels))

    def errors(self, texts: TextsLike, labels: LabelsLike) -> Any:
        """Return the mistakes on labelled texts, as ``TextClassifier.errors`` does."""
        from nlptl.saving.onnx.graph_scores import graph_errors

        return graph_errors(self, self._rows(texts), labels)

    @property
    def folder(self) -> Path:
        """Folder that the model was loaded from."""
        return self._graph.path.parent

    def _rows(self, texts: TextsLike) -> Rows:
        rows = as_rows(texts)
        if rows.are_pairs != self.reading.pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.reading.pairs]}, got "
                f"{kinds[rows.are_pairs]}. The first row is {rows[0]!r}. "
                f"Pass {kinds[self.reading.pairs]}."
            )
        return rows

    def _read_tokenizer(self, folder: Path) -> Any:
        from tokenizers import Tokenizer

        if not 0 < self.reading.window <= _MAX_ID:
            raise ValueError(
                f"window must be from 1 to {_MAX_ID} tokens, got {self.reading.window}"
            )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        check_patterns(tokenizer, str(folder))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.reading.window, stride=self.reading.overlap or 0)
        return tokenizer

    def _check(self) -> None:
        """Run the graph on the largest token id and on a short text, and check the shapes."""
        ids = self._tokenizer.get_vocab().values()
        if not ids or not 0 <= self.reading.padding <= _MAX_ID:
            raise ValueError(
                f"expected a vocabulary and a padding token id from 0 to {_MAX_ID}, got {len(ids)} "
                f"tokens and padding {self.reading.padding}"
            )
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
        texts = [(prompt + t[0], t[1]) if self.reading.pairs else prompt + str(t) for t in rows]
        encodings = self._tokenizer.encode_batch(texts)
        whole = self.reading.overlap is not None
        windows = [[first, *(first.overflowing if whole else ())] for first in encodings]
        flat = [part for group in windows for part in group]
        return Windows(
            ids=[part.ids for part in flat],
            text_of_window=np.repeat(np.arange(len(windows)), [len(group) for group in windows]),
            sizes=np.fromiter((len(part.ids) for part in flat), dtype=np.int64, count=len(flat)),
            kinds=[part.type_ids for part in flat] if self.reading.kinds else None,
        )

    def _run(self, windows: Windows, output: str) -> FloatArray:
        """Run the graph in batches of similar length; rows keep the order of the windows."""
        budget, padding = TOKENS_PER_THREAD * self._threads, self.reading.padding
        outputs = run_graph(
            self._session, windows, output, padding=padding, tokens_per_batch=budget
        )
        if outputs is None:
            return np.zeros((0, len(self.classes_)), dtype=np.float32)
        return outputs

    def _joined(self, windows: Windows) -> FloatArray:
        """Return the logits of texts with several windows, which are pooled before the head."""
        from nlptl.encoders.contextual.pooling import Pooling, text_vectors

        options = self.reading.pooling
        pooling = Pooling(**{**options, "layers": tuple(options["layers"])})
        _, texts = np.unique(windows.text_of_window, return_inverse=True)
        vectors = text_vectors(self._run(windows, "vectors"), texts, windows.sizes, pooling)
        logits: FloatArray = vectors @ self._head["weight"].T + self._head["bias"]
        return logits


def threads_here() -> int:
    """Return ``OMP_NUM_THREADS``, which torch uses too, or else the number of processors."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdecimal() and int(setting):
        return int(setting)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _check_pooling(described: Mapping[str, object]) -> None:
    """Check the options of ``Pooling`` without an import of that class."""
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
        raise ValueError(
            f"unexpected pooling options, or tokens not in {_TOKEN_POOLINGS}: {str(described)[:80]}"
        )

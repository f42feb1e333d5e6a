"""Writing a fitted classifier as an ONNX graph that is held against it before it counts."""

from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.lazy import require
from nlptl.base.suggestions import suggest
from nlptl.data.batches import by_length
from nlptl.data.rows import Rows, as_rows
from nlptl.data.samples import support_requests
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.saving.model_folder import CLOSE
from nlptl.saving.onnx.graph_checks import OnnxCheck, compare, refuse_fallen
from nlptl.saving.onnx.onnx_classifier import (
    GRAPH,
    HEAD,
    KIND,
    TOLD,
    OnnxClassifier,
    ReadingSettings,
)
from nlptl.saving.saved_model import SavedClassifier
from nlptl.storage.manifest import write_manifest
from nlptl.storage.tensors import save_arrays

if TYPE_CHECKING:
    from torch import Tensor

    from nlptl.saving.onnx.graph import ClassifierGraph

PRECISIONS = ("fp32", "int8")
_SENTENCES = 48
_MAX_CALIBRATION_TEXTS = 64
"""So many rows show how large the numbers of an encoder are."""

_TOKENS_PER_BATCH = 1024
_MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class OnnxExport:
    """How a classifier is written as a graph.

    Parameters
    ----------
    precision : {"fp32", "int8"}
        Numbers as they are; or matrices and embeddings in eight bits, a scale a column, and
        activations turned into eight bits as they come.
    probe : tuple of (texts, labels), optional
        Rows on which the graph is held against the model; labels may be None.
    tolerance : float
        So much accuracy on labelled probe rows may be lost.
    """

    precision: str = "fp32"
    probe: tuple[Any, Any] | None = None
    tolerance: float = 0.005

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision={self.precision!r} is not known. "
                f"{suggest(str(self.precision), PRECISIONS)}"
            )
        if not 0 <= self.tolerance <= 1:
            raise ConfigError(f"tolerance must be from 0 to 1, got {self.tolerance}.")
        if self.probe is not None and (
            not isinstance(self.probe, tuple | list) or len(self.probe) != 2
        ):
            raise ConfigError(
                f"probe is (texts, labels), where labels may be None; got a "
                f"{type(self.probe).__name__}."
            )


def write_onnx(
    classifier: SavedClassifier,
    loaded: LoadedEncoder,
    head: tuple[FloatArray, FloatArray],
    draft: Path,
    options: OnnxExport,
) -> OnnxCheck:
    """Write the graph of a classifier with all that a reader needs, and check it.

    Parameters
    ----------
    classifier : TextClassifier
    loaded : LoadedEncoder
        Its encoder.
    head : tuple of (ndarray, ndarray)
        Its head as one linear map of what the encoder gives, and offset; calibration included.
    draft : Path
        An empty folder.
    options : OnnxExport

    Raises
    ------
    ConfigError
        If onnx or onnxruntime is not there, or the model is too large for one file.
    StorageError
        If the graph answers otherwise, or too much accuracy is lost.
    """
    for name in ("onnx", "onnxruntime"):
        require(name, extra="onnx")
    from nlptl.saving.onnx.graph import ClassifierGraph

    loaded = _in_full(loaded)
    encoder = classifier.fitted_.features.encoder
    read = _reading(classifier, encoder)
    texts, labels = options.probe or (None, None)
    rows = _built_in(read.pairs) if texts is None else as_rows(texts)
    _write_files(classifier, encoder, loaded, draft)
    save_arrays(draft / HEAD, dict(zip(("weight", "bias"), head, strict=True)))
    graph = ClassifierGraph(loaded, encoder.chosen_pooling, head)
    if options.precision == "fp32":
        _write_whole(graph, draft / GRAPH, read)
    else:
        _write_rounded(graph, draft / GRAPH, read, _shown(encoder, rows, read))
    told = _told(classifier, read, options.precision)
    _write_told(draft, told)
    fitted = classifier.fitted_
    exact = replace(fitted.features, encoder=encoder.with_weights(loaded))
    expected = fitted.scorer.probabilities(exact.transform(rows))
    check = compare(OnnxClassifier(draft), expected, rows, labels, given=texts is not None)
    apart = CLOSE if options.precision == "fp32" else None
    refuse_fallen(check, tolerance=options.tolerance, apart=apart)
    _write_told(draft, {**told, "check": asdict(check)})
    write_manifest(draft, kind=KIND, version=version("nlptl"))
    return check


def _reading(classifier: SavedClassifier, encoder: TransformerEncoder) -> ReadingSettings:
    folder, pairs = encoder.folder, classifier.fitted_.probe.are_pairs
    several = encoder.long_texts == "windows" and not pairs
    sample = encoder.windows([("a", "b")]) if pairs else None
    return ReadingSettings(
        pooling=encoder.chosen_pooling.get_params(),
        window=encoder.window,
        overlap=encoder.window // 4 if several else None,
        pairs=pairs,
        kinds=sample is not None and sample.kinds is not None,
        prompt=folder.prompt,
        padding=encoder.padding,
    )


def _write_files(
    classifier: SavedClassifier, encoder: TransformerEncoder, loaded: LoadedEncoder, draft: Path
) -> None:
    """Write configuration and tokenizer as others expect them beside a graph."""
    labels = [str(label) for label in classifier.classes_.tolist()]
    several = classifier.fitted_.scorer.decision.thresholds is not None
    kind = "multi_label_classification" if several else "single_label_classification"
    config = copy.deepcopy(loaded.model.config)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: code for code, label in enumerate(labels)}
    config.problem_type = kind
    config.save_pretrained(draft)
    tokenizer = copy.deepcopy(encoder.folder.fast_tokenizer)
    tokenizer.model_max_length = encoder.window
    tokenizer.save_pretrained(draft)


def _write_whole(graph: ClassifierGraph, path: Path, read: ReadingSettings) -> None:
    from nlptl.saving.onnx.graph import write_graph

    size = sum(4 * part.numel() for part in graph.parameters())
    if size > _MOST_BYTES:
        raise ConfigError(f"A graph holds 2 GB in one file, and this model has {size / 1e9:.1f}.")
    write_graph(graph, path, kinds=read.kinds)


def _write_rounded(
    graph: ClassifierGraph, path: Path, read: ReadingSettings, shown: list[dict[str, Tensor]]
) -> None:
    from nlptl.saving.onnx.smoothing import even_out

    even_out(graph.encoder, shown)
    with tempfile.TemporaryDirectory() as place:
        _write_whole(graph, Path(place) / GRAPH, read)
        quantise(Path(place) / GRAPH, path)


def _shown(
    encoder: TransformerEncoder, rows: Rows, read: ReadingSettings
) -> list[dict[str, Tensor]]:
    """Give a few batches of rows as tensors, on the processor."""
    from nlptl.encoders.contextual.forward import padded

    windows = encoder.windows(rows.texts[:_MAX_CALIBRATION_TEXTS])
    batches = by_length(windows.sizes, tokens_per_batch=_TOKENS_PER_BATCH)
    return [padded(windows, some, padding=read.padding) for some in batches]


def quantise(source: Path, target: Path) -> None:
    """Write a graph with matrices and embeddings in eight bits.

    Attention is left as it came: fused first, the rest of it ran slower in eight bits. A scale a
    column keeps what is rounded small. The head stays in full precision, as every matrix product
    with an offset in one (``Gemm``) does.

    Parameters
    ----------
    source, target : Path
        Graph files.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = source.with_suffix(".prepared.onnx")
    quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
    quantize_dynamic(
        prepared,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
    )


def _told(classifier: SavedClassifier, read: ReadingSettings, precision: str) -> dict[str, Any]:
    thresholds = classifier.fitted_.scorer.decision.thresholds
    run = classifier.notes_.get("run", {})
    return {
        "codec": classifier.fitted_.codec.to_json(),
        "thresholds": None if thresholds is None else thresholds.tolist(),
        "reading": asdict(read),
        "precision": precision,
        "notes": {"run": {name: value for name, value in run.items() if "column" in name}},
        "made_with": {name: version(name) for name in ("nlptl", "onnx", "onnxruntime", "torch")},
    }


def _write_told(draft: Path, told: dict[str, Any]) -> None:
    text = json.dumps(told, indent=1, ensure_ascii=False)
    (draft / TOLD).write_text(text, encoding="utf-8")


def _built_in(pairs: bool) -> Rows:
    """Give sentences of many lengths, one of them longer than most windows."""
    texts = support_requests()[0]
    some = [*texts[:: len(texts) // _SENTENCES][:_SENTENCES], " ".join(texts)]
    return Rows(list(zip(some, reversed(some), strict=True)) if pairs else some)


def _in_full(loaded: LoadedEncoder) -> LoadedEncoder:
    """Give the weights in 32 bits."""
    if loaded.dtype == "float32":
        return loaded
    return replace(loaded, model=copy.deepcopy(loaded.model).float(), dtype="float32")

"""Write a fitted classifier as an ONNX graph, and compare the graph with the classifier."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.inputs import JsonObject
from nlptl.base.optional_packages import require
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.data.samples import support_requests
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.saving.model_folder import CLOSE
from nlptl.saving.onnx.graph_checks import OnnxCheck, compare, refuse_fallen
from nlptl.saving.onnx.onnx_classifier import (
    DESCRIPTION,
    GRAPH,
    HEAD,
    KIND,
    OnnxClassifier,
    ReadingSettings,
)
from nlptl.saving.saved_model import SavedClassifier
from nlptl.storage.manifest import write_manifest
from nlptl.storage.tensors import save_arrays

PRECISIONS = ("fp32", "int8")
_N_SENTENCES = 48


@dataclass(frozen=True)
class OnnxExport:
    """Options for the export of a classifier as a graph.

    Parameters
    ----------
    precision : {"fp32", "int8"}
        ``"fp32"`` keeps full precision. ``"int8"`` stores matrices and embeddings in eight bits,
        with one scale per column, and converts activations to eight bits at run time.
    probe : tuple of (texts, labels), optional
        Rows for the comparison of graph and model; labels may be None.
    tolerance : float
        Largest accepted loss of accuracy on labelled probe rows, from 0 to 1.
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
                f"probe must be two items, texts and labels, got a {type(self.probe).__name__}. "
                "Pass probe=(texts, labels), or probe=(texts, None) without labels."
            )


def write_onnx(
    classifier: SavedClassifier,
    loaded: LoadedEncoder,
    head: tuple[FloatArray, FloatArray],
    draft: Path,
    options: OnnxExport,
) -> OnnxCheck:
    """Write the graph of a classifier with all files to run it, and check the graph.

    Parameters
    ----------
    classifier : TextClassifier
    loaded : LoadedEncoder
        Encoder of the classifier.
    head : tuple of (ndarray, ndarray)
        Head of the classifier as one linear map of the encoder output: weights and offset,
        including calibration.
    draft : Path
        An empty folder.
    options : OnnxExport

    Raises
    ------
    ConfigError
        If onnx or onnxruntime is not installed, or the model is too large for one file.
    StorageError
        If the graph gives different probabilities, or loses too much accuracy.
    """
    for name in ("onnx", "onnxruntime"):
        require(name, extra="onnx")
    from nlptl.encoders.contextual.onnx.quantization import calibration_batches, write_rounded
    from nlptl.encoders.contextual.onnx.tracing import write_graph
    from nlptl.saving.onnx.graph import OUTPUTS, ClassifierGraph

    loaded = _in_full(loaded)
    encoder = classifier.fitted_.features.encoder
    reading = _reading(classifier, encoder)
    texts, labels = options.probe or (None, None)
    rows = _built_in(reading.pairs) if texts is None else as_rows(texts)
    _write_files(classifier, encoder, loaded, draft)
    save_arrays(draft / HEAD, dict(zip(("weight", "bias"), head, strict=True)))
    graph = ClassifierGraph(loaded, encoder.reader.pooling, head)
    parts = (graph, graph.encoder, draft / GRAPH)
    if options.precision == "fp32":
        write_graph(*parts, kinds=reading.kinds, outputs=OUTPUTS)
    else:
        batches = calibration_batches(encoder.reader, rows.texts)
        write_rounded(*parts, batches, kinds=reading.kinds, outputs=OUTPUTS)
    description = _description(classifier, reading, options.precision)
    _write_description(draft, description)
    fitted = classifier.fitted_
    exact = replace(fitted.features, encoder=encoder.with_weights(loaded))
    expected = fitted.scorer.probabilities(exact.transform(rows))
    check = compare(OnnxClassifier(draft), expected, rows, labels, is_probe=texts is not None)
    max_difference = CLOSE if options.precision == "fp32" else None
    refuse_fallen(check, tolerance=options.tolerance, max_difference=max_difference)
    _write_description(draft, {**description, "check": asdict(check)})
    write_manifest(draft, kind=KIND, version=version("nlptl"))
    return check


def _reading(classifier: SavedClassifier, encoder: TransformerEncoder) -> ReadingSettings:
    folder, pairs = encoder.folder, classifier.fitted_.probe.are_pairs
    in_windows = encoder.long_texts == "windows" and not pairs
    sample = encoder.reader.windows([("a", "b")]) if pairs else None
    return ReadingSettings(
        pooling=encoder.reader.pooling.get_params(),
        window=encoder.reader.window,
        overlap=encoder.reader.window // 4 if in_windows else None,
        pairs=pairs,
        kinds=sample is not None and sample.kinds is not None,
        prompt=folder.sentence.prompt,
        padding=encoder.reader.padding,
    )


def _write_files(
    classifier: SavedClassifier, encoder: TransformerEncoder, loaded: LoadedEncoder, draft: Path
) -> None:
    """Write configuration and tokenizer in the files that other libraries expect."""
    labels = [str(label) for label in classifier.classes_.tolist()]
    several = classifier.fitted_.scorer.decision.thresholds is not None
    kind = "multi_label_classification" if several else "single_label_classification"
    config = copy.deepcopy(loaded.model.config)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: code for code, label in enumerate(labels)}
    config.problem_type = kind
    config.save_pretrained(draft)
    tokenizer = copy.deepcopy(encoder.folder.tokenization.fast_tokenizer)
    tokenizer.model_max_length = encoder.reader.window
    tokenizer.save_pretrained(draft)


def _description(
    classifier: SavedClassifier, reading: ReadingSettings, precision: str
) -> dict[str, Any]:
    thresholds = classifier.fitted_.scorer.decision.thresholds
    run = classifier.notes_.get("run", {})
    return {
        "codec": classifier.fitted_.codec.to_json(),
        "thresholds": None if thresholds is None else thresholds.tolist(),
        "reading": asdict(reading),
        "precision": precision,
        "notes": {"run": {name: value for name, value in run.items() if "column" in name}},
        "made_with": {name: version(name) for name in ("nlptl", "onnx", "onnxruntime", "torch")},
    }


def _write_description(draft: Path, description: JsonObject) -> None:
    text = json.dumps(description, indent=1, ensure_ascii=False)
    (draft / DESCRIPTION).write_text(text, encoding="utf-8")


def _built_in(pairs: bool) -> Rows:
    """Return sentences of many lengths, and one text that is longer than most windows."""
    texts = support_requests()[0]
    sample = [*texts[:: len(texts) // _N_SENTENCES][:_N_SENTENCES], " ".join(texts)]
    return Rows(list(zip(sample, reversed(sample), strict=True)) if pairs else sample)


def _in_full(loaded: LoadedEncoder) -> LoadedEncoder:
    """Return the encoder with its weights in 32 bits."""
    if loaded.dtype == "float32":
        return loaded
    return replace(loaded, model=copy.deepcopy(loaded.model).float(), dtype="float32")

"""Write a graph with matrices and embeddings in eight bits."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nlptl.base.inputs import Text
from nlptl.data.batches import by_length
from nlptl.encoders.contextual.forward import padded
from nlptl.encoders.contextual.onnx.smoothing import even_out
from nlptl.encoders.contextual.onnx.tracing import write_graph

if TYPE_CHECKING:
    from torch import Tensor

    from nlptl.encoders.contextual.text_reader import TextReader

_MAX_TEXTS = 64
"""Number of texts that are used to measure the range of the activations."""

_TOKENS_PER_BATCH = 1024


def write_rounded(
    graph: nn.Module,
    encoder: Any,
    path: Path,
    batches: Sequence[dict[str, Tensor]],
    *,
    kinds: bool,
    outputs: Sequence[str],
) -> None:
    """Write a module as a graph in eight bits. The encoder in it is changed.

    Parameters
    ----------
    batches : sequence of dict of str to Tensor
        Inputs of the encoder, from which the range of each column is measured.
    graph, encoder, path, kinds, outputs
        As for ``write_graph``.
    """
    even_out(encoder, batches)
    with tempfile.TemporaryDirectory() as parent:
        whole = Path(parent) / "model.onnx"
        write_graph(graph, encoder, whole, kinds=kinds, outputs=outputs)
        quantise(whole, path)


def calibration_batches(reader: TextReader, texts: Sequence[Text]) -> list[dict[str, Tensor]]:
    """Return a few batches of texts as tensors on the CPU."""
    windows = reader.windows(texts[:_MAX_TEXTS])
    batches = by_length(windows.sizes, tokens_per_batch=_TOKENS_PER_BATCH)
    return [padded(windows, batch, padding=reader.padding) for batch in batches]


def quantise(source: Path, target: Path) -> None:
    """Convert a graph to eight bits.

    Attention is not fused before, because the rest of a fused attention ran slower in eight bits.
    One scale per column keeps the rounding errors small. The head stays in full precision, like
    every operator that combines a matrix product with an offset (``Gemm``).

    Parameters
    ----------
    source, target : Path
        Graph file to read, and graph file to write.
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

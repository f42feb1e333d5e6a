"""The graph of an encoder in onnxruntime, and a comparison with torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.forward import pooled_states
from nlptl.encoders.contextual.onnx.session import TOKENS_PER_THREAD, open_session, run_graph
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS
from nlptl.encoders.contextual.precision import LEAST_COSINE, LEAST_MEAN_COSINE, PROBE, cosines
from nlptl.encoders.contextual.windows import Windows

if TYPE_CHECKING:
    from nlptl.encoders.contextual.loaded import LoadedEncoder
    from nlptl.encoders.contextual.text_reader import TextReader

OUTPUT = "vectors"
"""Name of the output of a graph."""

_LEAST_COSINES = {"float32": (LEAST_MEAN_COSINE, LEAST_COSINE), "int8": (0.95, 0.0)}
"""Lowest mean and lowest single cosine to the vectors of torch, by precision of the graph."""


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

    @classmethod
    def open(cls, reader: TextReader, path: Path, threads: int) -> EncoderSession:
        """Start onnxruntime on the graph of an encoder."""
        session = open_session(str(path), threads, path)
        return cls(session, reader.padding, has_types(reader), threads)

    def states(self, windows: Windows) -> FloatArray:
        """Return the pooled vectors of at least one window: (n_windows, n_layers, dim)."""
        if self.types and windows.kinds is None:
            windows = replace(windows, kinds=[[0] * len(ids) for ids in windows.ids])
        budget = TOKENS_PER_THREAD * self.threads
        states = run_graph(
            self.session, windows, OUTPUT, padding=self.padding, tokens_per_batch=budget
        )
        if states is None:
            raise ValueError("there is no window to encode")
        return states

    def check(self, reader: TextReader, precision: str) -> None:
        """Compare the vectors of a few sentences with those of torch.

        Raises
        ------
        ConfigError
            If they differ too much.
        """
        sentences = reader.windows(PROBE)
        similarity = cosines(torch_states(reader, sentences), self.states(sentences))
        least_mean, least = _LEAST_COSINES[precision]
        if similarity.mean() >= least_mean and similarity.min() >= least:
            return
        raise ConfigError(
            f"The graph of {reader.folder.name!r} in {precision} returns other vectors than "
            f"torch: their mean cosine on {len(PROBE)} sentences is {similarity.mean():.4f}, and "
            f"it must be at least {least_mean}. Use backend='torch', precision='float32'."
        )


def has_types(reader: TextReader) -> bool:
    """Return True if the encoder reads which text of a pair a token belongs to."""
    return int(getattr(reader.folder.config, "type_vocab_size", 0) or 0) > 1


def full_precision(reader: TextReader) -> LoadedEncoder:
    """Return the weights of an encoder in float32 on the CPU."""
    return load_encoder(reader.folder, dtype="float32", device="cpu")


def torch_states(reader: TextReader, windows: Windows) -> FloatArray:
    """Return the pooled vectors of windows from torch in float32: (n_windows, n_layers, dim)."""
    pooling = reader.pooling
    pool = TOKEN_POOLINGS[pooling.tokens]
    return pooled_states(full_precision(reader), windows, layers=pooling.layers, pool=pool)

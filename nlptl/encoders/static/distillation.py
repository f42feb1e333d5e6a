"""Word vectors distilled from a transformer, for fast encoding without a file of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.progress import progress_bar
from nlptl.base.specs import Spec
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.forward import hidden_means
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.pooling import with_fixed_signs
from nlptl.encoders.contextual.single_tokens import TokenPacking
from nlptl.encoders.contextual.windows import check_tokens
from nlptl.encoders.static.vector_store import VectorStore
from nlptl.storage.places import fixed_path

DISTILLED_FROM = "distilled from "
"""Start of the name of distilled vectors; the name of their encoder follows."""

_BLOCK = 2048
_WAY = "packed, without a path"
"""Part of the name of a cached store. It changes if a store is computed or named in another way."""


@dataclass(frozen=True)
class Distilled(Spec):
    """Settings for distilling static vectors for the tokens of a transformer.

    Each token of the vocabulary is encoded by itself. The vectors of the chosen layers are centred
    and projected onto their principal axes. This is the idea of model2vec. Many tokens share one
    forward pass, if the family of the encoder allows it: a token attends to itself and to the
    special tokens only. Keeping the input embeddings together with the last layer is new in nlptl.
    It gains 2.0 points of accuracy over the last layer alone (docs/benchmarks.md).

    Parameters
    ----------
    encoder : str or None
        Hub name or folder of the transformer. None means the default encoder.
    dimension : int
        Number of principal axes kept per layer.
    layers : tuple of int
        Hidden states to keep. 0 is the embedding layer, -1 the last layer.
    """

    encoder: str | None = None
    dimension: int = 256
    layers: tuple[int, ...] = (0, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", fixed_path(self.encoder))
        if self.dimension < 1 or not self.layers:
            raise ConfigError(
                f"Distilled needs dimension >= 1 and at least one layer, got "
                f"dimension={self.dimension}, layers={self.layers}. Correct these settings."
            )

    def identity(self) -> dict[str, Any]:
        """Return everything the vectors depend on. The name of their store is computed from it."""
        return {
            "weights": find_encoder(self.encoder).fingerprint,
            "dimension": self.dimension,
            "layers": list(self.layers),
            "way": _WAY,
        }

    def make(self) -> VectorStore:
        """Build a vector store from the vocabulary of the encoder."""
        folder = find_encoder(self.encoder)
        tokenizer = folder.tokenization.fast_tokenizer
        # The same format on every machine, so that the vectors are the same.
        loaded = load_encoder(folder, dtype="float32", device=None)
        tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
        vectors = _token_vectors(loaded, len(tokens), self.layers)
        width = min(self.dimension, vectors.shape[2])
        parts = [principal_axes(vectors[:, i], width) for i in range(len(self.layers))]
        return VectorStore(
            tokens=[token.replace("\n", " ") for token in tokens],
            vectors=np.concatenate(parts, axis=1).astype(np.float32),
            groups=tuple((f"layer {layer}", width) for layer in self.layers),
            tokenizer=tokenizer.backend_tokenizer.to_str(),
            name=f"{DISTILLED_FROM}{folder.origin or folder.path.name}",
        )


def principal_axes(vectors: FloatArray, dimension: int) -> FloatArray:
    """Centre vectors (n, d) and project them onto their principal axes: (n, dimension).

    Examples
    --------
    >>> principal_axes(np.array([[0.0, 0.0], [2.0, 0.0]]), 1).round(6).tolist()
    [[-1.0], [1.0]]
    """
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    eigenvalues, axes = np.linalg.eigh(centred.T @ centred)
    chosen = with_fixed_signs(axes[:, np.argsort(-eigenvalues, kind="stable")[:dimension]])
    projected: FloatArray = centred @ chosen
    return projected


def _token_vectors(loaded: LoadedEncoder, n_tokens: int, layers: tuple[int, ...]) -> FloatArray:
    if loaded.folder.tokenization.n_embedded is not None:
        check_tokens([range(n_tokens)], loaded.folder.tokenization.n_embedded, loaded.folder.name)
    samples = np.linspace(0, n_tokens - 1, 3).astype(int).tolist()
    packing = TokenPacking.of(loaded, samples)
    blocks = []
    with progress_bar(total=n_tokens, unit="token", description="Distilling") as bar:
        for start in range(0, n_tokens, _BLOCK):
            ids = range(start, min(start + _BLOCK, n_tokens))
            if packing is not None:
                blocks.append(packing.means(ids, layers))
            else:
                windows = [loaded.framed([token]) for token in ids]
                blocks.append(hidden_means(loaded, windows, layers))
            bar.update(len(ids))
    return np.concatenate(blocks)

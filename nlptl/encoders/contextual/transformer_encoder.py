"""Encoder of texts with a pretrained transformer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import entry, make
from nlptl.base.errors import ConfigError, InputError, IntegrityError
from nlptl.base.inputs import Text
from nlptl.base.progress import progress_bar
from nlptl.base.specs import Spec, pipeline_step, renamed
from nlptl.base.suggestions import suggest
from nlptl.data.rows import text_list
from nlptl.encoders.cache import encode_through
from nlptl.encoders.contextual.encoder_folder import ORIGIN, EncoderFolder, find_encoder
from nlptl.encoders.contextual.pooling import (
    TOKEN_POOLINGS,
    Pooling,
    strongest_directions,
    text_vectors,
)
from nlptl.encoders.contextual.text_reader import TextReader
from nlptl.encoders.contextual.weight_writing import write_model
from nlptl.storage.places import fixed_path
from nlptl.storage.tensors import check_array, load_arrays, save_arrays

if TYPE_CHECKING:
    from nlptl.encoders.contextual.loaded import LoadedEncoder

_PRECISIONS = ("auto", "float32", "bfloat16", "int8")
_CHOICES = {
    "precision": _PRECISIONS,
    "long_texts": ("windows", "cut"),
    "backend": ("auto", "torch", "onnx"),
}
_IMPOSSIBLE = (("torch", "int8"), ("onnx", "bfloat16"))
_PROJECTION = "projection.safetensors"
_WEIGHTS = "encoder"
_SAMPLE = 5_000
_ARITHMETIC = 1
"""Version in the cache key. Increase it when the same settings yield other vectors."""


@pipeline_step
@renamed(dtype="precision")
@dataclass(frozen=True)
class TransformerEncoder(Spec):
    """Encoder that turns texts into vectors with a pretrained, frozen transformer [1]_ [2]_.

    Parameters
    ----------
    name_or_path : str, Path or None
        A Hub name or a local folder. None means ``sentence-transformers/all-MiniLM-L6-v2``.
    pooling : Pooling or None
        Pooling of the vectors. None uses pooling and normalisation from the encoder's folder.
    max_length : int or None
        Maximum number of tokens per window, including special tokens; at most the positions of
        the encoder. None uses the length from the encoder's folder.
    long_texts : {"windows", "cut"}
        ``"windows"`` reads a longer text in windows that overlap by a quarter, and pools them.
        ``"cut"`` truncates it.
    precision : {"auto", "float32", "bfloat16", "int8"}
        Number format of the computation. ``"auto"`` is bfloat16 if the device supports it and a
        check of this encoder confirms that the vectors agree. Otherwise it is float32. ``"int8"``
        needs onnxruntime. It is faster and changes the vectors a little.
    device : str or None
        Torch device. None means the first accelerator, or the CPU if there is none.
    cache : str, Path, FeatureCache or None
        Cache of the vectors between calls. ``"auto"`` is the user's cache folder. None stores no
        vectors.
    revision : str or None
        Commit, branch or tag on the Hub.
    backend : {"auto", "torch", "onnx"}
        Library that computes the vectors. ``"onnx"`` is onnxruntime, which runs on the CPU
        (``pip install 'nlptl[onnx]'``). ``"auto"`` writes a graph of the encoder into the cache
        folder when a call has enough texts to repay that, compares it with torch, and uses the
        faster one. Weights in memory, such as those of a model that was tuned in this process,
        are computed by torch.

    References
    ----------
    .. [1] Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, arXiv:1908.10084.
    .. [2] Peters, Ruder and Smith, "To Tune or Not to Tune?", RepL4NLP 2019, arXiv:1903.05987.
    """

    name_or_path: str | Path | None = None
    pooling: Pooling | None = None
    max_length: int | None = None
    long_texts: str = "windows"
    precision: str = "auto"
    device: str | None = None
    cache: Any = "auto"
    revision: str | None = None
    backend: str = "auto"
    projection: FloatArray | None = field(default=None, repr=False, compare=False)
    weights: LoadedEncoder | None = field(default=None, repr=False, compare=False)

    learns_from_text = False
    """True if ``fit`` uses the texts. It does so only if ``pooling.dimension`` is set."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_or_path", fixed_path(self.name_or_path))
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"{name}={value!r} is not known. {suggest(str(value), choices)}")
        if (self.backend, self.precision) in _IMPOSSIBLE:
            raise ConfigError(
                f"precision={self.precision!r} does not work with backend={self.backend!r}: "
                "onnxruntime computes in float32 and int8, torch in float32 and bfloat16. "
                "Use backend='auto'."
            )
        if self.max_length is not None and self.max_length < 8:
            raise ConfigError(
                f"max_length must be at least 8 tokens, got {self.max_length}. Use 8 or more."
            )
        reduces = self.pooling is not None and self.pooling.dimension is not None
        object.__setattr__(self, "learns_from_text", reduces)

    def fit(self, texts: Sequence[str], y: object = None) -> Self:
        """Fit the projection to ``pooling.dimension`` columns on texts, if it is set.

        Returns
        -------
        TransformerEncoder
            This encoder if ``pooling.dimension`` is None, otherwise a copy with the projection.
        """
        dimension = self.reader.pooling.dimension
        if dimension is None:
            return self
        width = replace(self, pooling=replace(self.reader.pooling, dimension=None)).dim
        if dimension > width:
            raise ConfigError(
                f"Pooling(dimension={dimension}) must not exceed the {width} columns of the "
                f"vectors. Use at most {width}."
            )
        texts = text_list(texts)
        rows = np.random.default_rng(0).permutation(len(texts))[:_SAMPLE]  # rows may be sorted
        sample = [texts[row] for row in sorted(rows.tolist())]
        vectors = self._unreduced(sample)
        return replace(self, projection=strongest_directions(vectors, dimension))

    def transform(self, texts: Sequence[Text]) -> FloatArray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str or of (str, str)
            Any number of texts of any length. The two texts of a pair are read together and
            truncated to one window.

        Returns
        -------
        ndarray of shape (n, dim), float32
            One row per text, in the order of ``texts``.

        Raises
        ------
        InputError
            If ``texts`` is a single string, or ``pooling.dimension`` is set and not fitted.
        EncoderNotFoundError
            If the encoder is neither available locally nor on the Hub.
        """
        if isinstance(texts, str):
            raise InputError(
                f"Expected a list of texts, got one string {texts[:40]!r}. Pass a list: [text]."
            )
        vectors = self._unreduced(texts)
        if self.reader.pooling.dimension is None:
            return vectors
        if self.projection is None:
            raise InputError(
                "pooling.dimension is not fitted. Use the encoder that fit(texts) returns, or "
                "fit_transform(texts)."
            )
        return vectors @ self.projection

    @property
    def folder(self) -> EncoderFolder:
        """Folder of the encoder. It is looked up at each call, unless the encoder is open."""
        return self.reader.folder

    @property
    def reader(self) -> TextReader:
        """Reader of texts, with the settings of this encoder completed from its folder."""
        opened: TextReader | None = self.__dict__.get("_reader")
        if opened is not None:
            return opened
        return _reader_of(self, find_encoder(self.name_or_path, revision=self.revision))

    def open(self) -> Self:
        """Return a copy that looks up its folder and loads its weights once.

        A fit and a loaded model use open encoders. Files that change later do not change what an
        open encoder returns. Copies with other settings, and pickled ones, are not open.
        """
        if "_reader" in self.__dict__:
            return self
        opened = replace(self)
        object.__setattr__(opened, "_reader", self.reader)
        return opened

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_reader"}

    @property
    def fingerprint(self) -> str:
        """Hash of the weights in memory if there are any, otherwise of the folder."""
        return self.folder.fingerprint if self.weights is None else self.weights.fingerprint

    @property
    def groups(self) -> Groups:
        """Column groups of the result: one per concatenated layer."""
        reader = self.reader
        pooling, width = reader.pooling, reader.width
        if pooling.dimension is not None:
            return (("reduced", pooling.dimension),)
        if pooling.join == "mean" or len(pooling.layers) == 1:
            return (("sentence", width),)
        n_states = reader.folder.n_layers + 1
        return tuple((f"layer {layer % n_states}", width) for layer in pooling.layers)

    @property
    def dim(self) -> int:
        """Number of columns of the result."""
        return sum(width for _, width in self.groups)

    def with_layers(self, layers: tuple[int, ...]) -> Self:
        """Return a copy that concatenates the vectors of these layers, each scaled to length 1."""
        chosen = self.reader.pooling
        pooling = Pooling(tokens=chosen.tokens, layers=layers, join="concat", normalize=True)
        return self._changed(pooling=pooling)

    def with_weights(self, weights: LoadedEncoder, *, pooling: Pooling | None = None) -> Self:
        """Return a copy that uses weights in memory instead of those in its folder.

        It has another pooling if one is passed.
        """
        changes: dict[str, Any] = {} if pooling is None else {"pooling": pooling}
        changes |= {"precision": weights.dtype, "backend": "auto", "cache": None}
        return self._changed(weights=weights, **changes)

    def _changed(self, **changes: Any) -> Self:
        """Return a copy with other settings for the same folder, which is open if this one is."""
        copy = replace(self, **changes)
        if "_reader" in self.__dict__:
            object.__setattr__(copy, "_reader", _reader_of(copy, self.folder))
        return copy

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the encoder into a folder and return the settings as plain JSON."""
        write_encoder(self, folder / _WEIGHTS)
        if self.projection is not None:
            save_arrays(folder / _PROJECTION, {"projection": self.projection})
        pooling = self.reader.pooling
        return {
            "name": self.folder.origin or self.folder.path.name,
            "pooling": pooling.get_params() | {"layers": list(pooling.layers)},
            "max_length": self.max_length,
            "long_texts": self.long_texts,
            "dtype": self.precision,  # the name of earlier releases
            "backend": self.backend,
            "keeps_vectors": self.cache is not None,
        }

    @classmethod
    def load(cls, folder: Path, described: dict[str, object]) -> Self:
        """Load what ``save`` wrote. The weights are read when they are first needed.

        Raises
        ------
        EncoderNotFoundError, IntegrityError
            If the folder does not contain a working encoder.
        """
        from nlptl.encoders.contextual.encoder_proof import prove_encoder

        if not (folder / _WEIGHTS).is_dir():
            raise IntegrityError(
                f"Folder {str(folder / _WEIGHTS)!r} of the encoder is missing. Restore a copy."
            )
        pooling, path = make(Pooling, entry(described, "pooling", Any)), folder / _PROJECTION
        projection = load_arrays(path)["projection"] if path.is_file() else None
        if projection is not None:
            check_array("projection", projection, (len(projection), pooling.dimension or 0))
        elif pooling.dimension is not None:
            raise ValueError(f"pooling to {pooling.dimension} numbers without {_PROJECTION}")
        encoder = cls(
            folder / _WEIGHTS,
            pooling=pooling,
            max_length=entry(described, "max_length", int | None),
            long_texts=entry(described, "long_texts", str),
            precision=entry(described, "dtype", str),
            backend=entry({"backend": "auto", **described}, "backend", str),
            cache="auto" if entry(described, "keeps_vectors", bool) else None,
            projection=projection,
        )
        prove_encoder(encoder.reader, encode=replace(encoder, cache=None).transform)
        return encoder

    def _unreduced(self, texts: Sequence[Text]) -> FloatArray:
        reader = self.reader
        bars: list[Any] = []

        def encode(block: Sequence[Text], total: int) -> FloatArray:
            if not bars:
                bars.append(progress_bar(total=total, unit="text", description="Encoding"))
            vectors = self._encode(reader, block, len(block) / max(total, 1))
            bars[0].update(len(block))
            return vectors

        try:
            rows = encode_through(
                self.cache if self.weights is None else None,
                texts,
                settings=lambda: self._settings(reader),
                encode=encode,
            )
        finally:
            for bar in bars:
                bar.close()
        return rows.astype(np.float32, copy=False)

    def _encode(self, reader: TextReader, texts: Sequence[Text], share: float) -> FloatArray:
        """Encode a part of the texts of a call, which is this share of them."""
        from nlptl.encoders.contextual.forward import pooled_states
        from nlptl.encoders.contextual.onnx.backend import session_for

        pooling, windows = reader.pooling, reader.windows(texts)
        precision = self._resolved_precision(reader)
        session = session_for(reader, precision, self.backend, windows, share=share)
        if session is None:
            pool = TOKEN_POOLINGS[pooling.tokens]
            states = pooled_states(reader.loaded, windows, layers=pooling.layers, pool=pool)
        else:
            states = session.states(windows)
        vectors = text_vectors(states, windows.text_of_window, windows.sizes, pooling)
        # float16 keeps the precision of bfloat16, so cached and returned vectors are equal.
        return vectors.astype(np.float16 if precision == "bfloat16" else np.float32)

    def _settings(self, reader: TextReader) -> dict[str, Any]:
        folder, pooling = reader.folder, reader.pooling
        parts = pooling.get_params() | {"layers": list(pooling.layers), "dimension": None}
        # Earlier releases ignored these settings and stored vectors under the same key.
        has_settings = folder.sentence.lower_case or folder.sentence.layers_after_pooling
        sentence_settings = {"sentence settings": 2} if has_settings else {}
        return {
            **sentence_settings,
            "arithmetic": _ARITHMETIC,
            "weights": folder.fingerprint,
            "pooling": parts,
            "window": reader.window,
            "long_texts": self.long_texts,
            "dtype": self._resolved_precision(reader),
        }

    def _resolved_precision(self, reader: TextReader) -> str:
        from nlptl.encoders.contextual.loaded import default_device
        from nlptl.encoders.contextual.precision import choose_dtype

        if reader.weights is not None:
            return reader.weights.dtype
        if self.precision == "auto" and self.backend == "onnx":
            return "float32"
        if self.precision != "auto":
            return self.precision
        return choose_dtype(reader.folder, self.device or default_device())


def _reader_of(encoder: TransformerEncoder, folder: EncoderFolder) -> TextReader:
    """Return the reader of a folder with the settings of an encoder."""
    return TextReader(
        folder,
        encoder.pooling,
        max_length=encoder.max_length,
        long_texts=encoder.long_texts,
        precision=encoder.precision,
        device=encoder.device,
        weights=encoder.weights,
    )


def write_encoder(encoder: TransformerEncoder, target: Path) -> None:
    """Write weights and tokenizer into a folder, in the format of the encoder's own folder."""
    source, weights = encoder.folder, encoder.weights
    target.mkdir(parents=True, exist_ok=True)
    if source.origin is not None:
        origin = json.dumps({"name": source.origin})
        (target / ORIGIN).write_text(origin, encoding="utf-8")
    adapter_only = weights is not None and weights.adapter is not None and weights.base is None
    for path in source.files:
        replaced = path.suffix == ".safetensors" or path.parent == source.adapter
        if replaced and weights is not None and not adapter_only:
            continue
        copied = target / path.relative_to(source.path)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
    if weights is not None and weights.adapter is not None and adapter_only:
        weights.adapter.save(target / "adapter")
    elif weights is not None:
        write_model(weights.model, source, target)

"""Frozen features: the encoder stays as it came, only the head learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import entry, finite
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features, opened
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import Transfer
from nlptl.data.rows import Rows
from nlptl.data.splits import stratified_sample
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.pair_features import pair_features
from nlptl.encoders.registry import load_encoder_part, save_encoder_part
from nlptl.transfer.features.layer_weights import choose_weights, weigh

_LOWER = {"top": (0.0,), "weighted": (0.5,), "all": (1.0,), "auto": (0.0, 0.5, 1.0)}
"""What the layers below the last may weigh, under each name."""

_MAX_LAYERS = 5
MIN_ROWS_TO_WEIGH_LAYERS = 200
"""With fewer rows the weight of the lower layers is not chosen but taken as a half."""

_MAX_ROWS_TO_CHOOSE_ON = 1_500


@dataclass(frozen=True)
class Frozen(Transfer):
    """The encoder stays as it came; only the head learns.

    The last layer of a pretrained encoder is made for the task it was trained on. Layers below
    it keep what other tasks need: on six data sets with 1,000 labels, joining five layers was
    worth 1.6 points of accuracy over the last alone (docs/benchmarks.md).

    Parameters
    ----------
    layers : {"auto", "top", "weighted", "all"}
        What the head sees of a transformer whose pooling is not given: the published sentence
        vector (``"top"``); five layers side by side, the last at full and the others at half
        weight (``"weighted"``) or all at full weight (``"all"``); or whichever of these a
        leave-one-out ridge regression prefers (``"auto"``; with fewer than 200 rows the half
        weight). Other encoders give what they give.

    References
    ----------
    .. [1] Peters, Ruder and Smith, "To Tune or Not to Tune?", RepL4NLP 2019, arXiv:1903.05987.
    """

    layers: str = "auto"

    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Peters, Ruder and Smith 2019, arXiv:1903.05987"

    def __post_init__(self) -> None:
        if self.layers not in _LOWER:
            raise ConfigError(
                f"layers={self.layers!r} is not known. {suggest(self.layers, _LOWER)}"
            )

    def learn(
        self, encoder: Any, rows: Rows, targets: Targets, *, further: Rows, joint: bool = False
    ) -> TextFeatures:
        """Fit the encoder to text and choose the weights of its groups.

        Parameters
        ----------
        encoder : Encoder
            The spec; it is not changed.
        rows : Rows
            The labelled rows.
        targets : Targets
            Their labels as codes.
        further : Rows
            Text without labels that the encoder may learn from; may be empty.
        joint : bool
            Read the two texts of a pair as one, instead of one by one.
        """
        layered = self._layered(encoder)
        fitted = layered.fit(_all_texts(rows, further))
        n_groups = len(fitted.groups)
        plain = TextFeatures(fitted, np.ones(n_groups), joint)
        if layered is encoder:
            return plain
        few = self.layers == "auto" and len(rows) < MIN_ROWS_TO_WEIGH_LAYERS
        lower = _LOWER["weighted" if few else self.layers]
        candidates = [_weights(n_groups, share) for share in lower]
        if len(candidates) == 1:
            return replace(plain, weights=candidates[0])
        return replace(plain, weights=_preferred(plain, candidates, rows, targets))

    def _layered(self, encoder: Any) -> Any:
        """Ask a transformer for several layers, where its user left the pooling open."""
        if self.layers == "top" or not isinstance(encoder, TransformerEncoder):
            return encoder
        folder = encoder.folder
        if encoder.pooling is not None or folder.layers_after_pooling or folder.shortens_texts:
            return encoder
        depth = folder.n_layers
        layers = np.unique(np.linspace(max(depth // 3, 1), depth, _MAX_LAYERS).round().astype(int))
        if len(layers) < 2:
            return encoder
        return encoder.with_layers(tuple(int(layer) for layer in layers))


@dataclass(frozen=True)
class TextFeatures:
    """A fitted encoder and the weights of its groups: from rows to features.

    Attributes
    ----------
    encoder : Encoder
        Ready to transform.
    weights : ndarray of shape (n_groups,)
        What each group of its columns counts.
    joint : bool
        The two texts of a pair are read together, instead of one by one.
    """

    encoder: Any
    weights: FloatArray
    joint: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", opened(self.encoder))

    def transform(self, rows: Rows) -> Features:
        """Encode rows; pairs become both vectors, their difference and their product."""
        if self.joint or not rows.are_pairs:
            return self._one(rows)
        widths = [width for _, width in self._kept]
        return pair_features(self._one(rows.side(0)), self._one(rows.side(1)), widths=widths)

    def groups(self, rows: Rows) -> Groups:
        """Name the column ranges of what ``transform`` gives for rows like these."""
        return self._kept if self.joint else _paired(self._kept, rows)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the encoder into a new folder; give the rest as plain JSON."""
        return {
            "encoder": save_encoder_part(self.encoder, folder),
            "weights": self.weights.tolist(),
            "joint": self.joint,
        }

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> Self:
        """Read what ``save`` wrote."""
        encoder = load_encoder_part(described["encoder"], folder)
        return cls(encoder, finite(described, "weights"), entry(described, "joint", bool))

    @property
    def _kept(self) -> Groups:
        groups = zip(self.encoder.groups, self.weights, strict=True)
        return tuple(group for group, weight in groups if weight)

    def _one(self, rows: Rows) -> Features:
        found: Features = self.encoder.transform(rows if rows.numbers is not None else rows.texts)
        return found if issparse(found) else weigh(found, self.encoder.groups, self.weights)


def _preferred(
    plain: TextFeatures, candidates: list[FloatArray], rows: Rows, targets: Targets
) -> FloatArray:
    """Give the weights with which a ridge regression errs least on rows left out."""
    some = stratified_sample(targets.codes, _MAX_ROWS_TO_CHOOSE_ON, seed=0)
    found = np.asarray(plain.transform(rows.take(some)))
    chosen = choose_weights(
        found,
        plain.groups(rows),
        [weights if plain.joint else _for_pairs(weights, rows) for weights in candidates],
        targets.take(some).one_hot,
    )
    return chosen[: len(candidates[0])]


def _all_texts(rows: Rows, further: Rows) -> Any:
    """Put both sides of pairs and further texts in one list, with numbers where there are some."""
    parts = [side for part in (rows, further) for side in _sides(part)]
    texts = [text for part in parts for text in part.texts]
    if rows.numbers is None:
        return texts
    columns = rows.numbers.shape[1]
    unknown = [np.full((len(part), columns), np.nan) for part in parts]
    given = [u if p.numbers is None else p.numbers for p, u in zip(parts, unknown, strict=True)]
    return Rows(texts, np.concatenate(given))


def _sides(rows: Rows) -> list[Rows]:
    return [rows.side(0), rows.side(1)] if rows.are_pairs else [rows]


def _weights(n_groups: int, lower: float) -> FloatArray:
    return np.array([lower] * (n_groups - 1) + [1.0])


def _paired(groups: Groups, rows: Rows) -> Groups:
    if not rows.are_pairs:
        return groups
    parts = ("first", "second", "difference", "product")
    wide = [(f"{part} {name}", width) for part in parts for name, width in groups]
    return (*wide, *((f"cosine {name}", 1) for name, _ in groups))


def _for_pairs(weights: FloatArray, rows: Rows) -> FloatArray:
    """Weights of both sides, difference, (a product of two weights) product, and cosine."""
    if not rows.are_pairs:
        return weights
    return np.concatenate([weights, weights, weights, weights**2, weights])

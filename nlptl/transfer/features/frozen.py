"""Frozen features: keep the encoder unchanged and fit only the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups, IntArray
from nlptl.base.described import entry, finite
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Encoder, Features, opened
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import Transfer
from nlptl.data.rows import Rows
from nlptl.data.splits import stratified_sample
from nlptl.data.targets import Targets
from nlptl.encoders.pair_features import pair_features
from nlptl.encoders.registry import load_encoder_part, save_encoder_part
from nlptl.encoders.tunable import is_tunable
from nlptl.transfer.features.layer_weights import choose_weights, weigh

_LOWER = {"top": (0.0,), "weighted": (0.5,), "all": (1.0,), "auto": (0.0, 0.5, 1.0)}
"""Candidate weights of the layers below the last, by value of ``layers``."""

_MAX_LAYERS = 5
MIN_ROWS_TO_WEIGH_LAYERS = 200
"""With fewer rows, the weight of the lower layers is not chosen but set to 0.5."""

_MAX_ROWS_TO_CHOOSE_ON = 1_500


@dataclass(frozen=True)
class Frozen(Transfer):
    """Keep the encoder unchanged and fit only the head [1]_.

    The last layer of a pretrained encoder is specialised in the task of its pretraining. Lower
    layers keep information that other tasks need. On six data sets with 1,000 labels, joining five
    layers gained 1.6 points of accuracy over the last layer alone (docs/benchmarks.md).

    Parameters
    ----------
    layers : {"auto", "top", "weighted", "all"}
        Input of the head, for a transformer without a set pooling:

        - ``"top"``: the published sentence vector.
        - ``"weighted"``: five layers side by side, the last with weight 1, the others with 0.5.
        - ``"all"``: five layers side by side, all with weight 1.
        - ``"auto"``: the one of these with the smallest leave-one-out error of a ridge regression.
          With fewer than 200 rows, ``"weighted"``.

        The vectors of other encoders are used as they are.

    References
    ----------
    .. [1] Peters, Ruder and Smith, "To Tune or Not to Tune?", RepL4NLP 2019, arXiv:1903.05987.
    """

    layers: str = "auto"

    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Peters, Ruder and Smith 2019, arXiv:1903.05987"

    def __post_init__(self) -> None:
        if self.layers not in _LOWER:
            raise ConfigError(
                f"layers={self.layers!r} is not known. {suggest(self.layers, _LOWER)}"
            )

    def learn(
        self, encoder: Encoder, rows: Rows, targets: Targets, *, further: Rows, joint: bool = False
    ) -> TextFeatures:
        """Fit the encoder to the texts and choose the weights of its feature groups.

        Parameters
        ----------
        encoder : Encoder
            Encoder to fit. It is not changed.
        rows : Rows
            The labelled rows.
        targets : Targets
            Labels of the rows, as codes.
        further : Rows
            Unlabelled rows to which the encoder is fitted as well; may be empty.
        joint : bool
            True encodes the two texts of a pair as one text. False encodes them separately.
        """
        layered = self._layered(encoder)
        fitted = layered.fit(_all_texts(rows, further))
        n_groups = len(fitted.groups)
        candidates: list[FloatArray] = [np.ones(n_groups)]
        if layered is not encoder:
            few = self.layers == "auto" and len(rows) < MIN_ROWS_TO_WEIGH_LAYERS
            lower = _LOWER["weighted" if few else self.layers]
            candidates = [_weights(n_groups, share) for share in lower]
        if len(candidates) == 1:
            return TextFeatures(fitted, candidates[0], joint)
        plain = TextFeatures(fitted, np.ones(n_groups), joint)
        return replace(plain, weights=_preferred(plain, candidates, rows, targets))

    def _layered(self, encoder: Encoder) -> Any:
        """Return the encoder with several layers if it is a transformer without a set pooling."""
        if self.layers == "top" or not is_tunable(encoder):
            return encoder
        folder = encoder.folder
        if encoder.pooling is not None or not folder.has_plain_layers:
            return encoder
        depth = folder.n_layers
        layers = np.unique(np.linspace(max(depth // 3, 1), depth, _MAX_LAYERS).round().astype(int))
        if len(layers) < 2:
            return encoder
        return encoder.with_layers(tuple(int(layer) for layer in layers))


@dataclass(frozen=True)
class TextFeatures:
    """Fitted encoder and the weights of its feature groups, to compute features of rows.

    Attributes
    ----------
    encoder : Encoder
        Fitted encoder.
    weights : ndarray of shape (n_groups,)
        Weight of each group of its columns.
    joint : bool
        True if the two texts of a pair are encoded as one text.
    """

    encoder: Any
    weights: FloatArray
    joint: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", opened(self.encoder))

    def transform(self, rows: Rows) -> Features:
        """Return the features of rows; those of pairs are computed by ``pair_features``."""
        if self.joint or not rows.are_pairs:
            return self._encode(rows)
        widths = [width for _, width in self._kept]
        first, second = (self._encode(side) for side in rows.sides)
        return pair_features(first, second, widths=widths)

    def groups(self, rows: Rows) -> Groups:
        """Return the names and widths of the column groups that ``transform`` returns for rows."""
        return self._kept if self.joint else _paired(self._kept, rows)

    def views(self, rows: Rows) -> list[IntArray]:
        """Return the columns of each part of a fused encoder; all columns for other encoders."""
        groups = self.groups(rows)
        of_group = getattr(self.encoder, "views", (0,) * len(self._kept))
        kept = [view for view, weight in zip(of_group, self.weights, strict=True) if weight]
        repeats = len(groups) // len(kept)  # the features of pairs repeat all groups
        of_column = np.repeat(np.tile(kept, repeats), [width for _, width in groups])
        return [np.flatnonzero(of_column == view) for view in dict.fromkeys(kept)]

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the encoder into a new folder and return the other settings as plain JSON."""
        return {
            "encoder": save_encoder_part(self.encoder, folder),
            "weights": self.weights.tolist(),
            "joint": self.joint,
        }

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> Self:
        """Load what ``save`` wrote."""
        encoder = load_encoder_part(described["encoder"], folder)
        return cls(encoder, finite(described, "weights"), entry(described, "joint", bool))

    @property
    def _kept(self) -> Groups:
        groups = zip(self.encoder.groups, self.weights, strict=True)
        return tuple(group for group, weight in groups if weight)

    def _encode(self, rows: Rows) -> Features:
        texts = rows if rows.numbers is not None else rows.texts
        features: Features = self.encoder.transform(texts)
        if issparse(features):
            return features
        return weigh(features, self.encoder.groups, self.weights)


def _preferred(
    plain: TextFeatures, candidates: list[FloatArray], rows: Rows, targets: Targets
) -> FloatArray:
    """Return the weights with the smallest leave-one-out error of a ridge regression."""
    sample = stratified_sample(targets.codes, _MAX_ROWS_TO_CHOOSE_ON, seed=0)
    features = np.asarray(plain.transform(rows.take(sample)))
    chosen = choose_weights(
        features,
        plain.groups(rows),
        [weights if plain.joint else _for_pairs(weights, rows) for weights in candidates],
        targets.take(sample).one_hot,
    )
    return chosen[: len(candidates[0])]


def _all_texts(rows: Rows, unlabeled: Rows) -> Any:
    """Join the texts of all rows and both sides of pairs, with numbers if the rows have some."""
    parts = [*rows.sides, *unlabeled.sides]
    texts = [text for part in parts for text in part.texts]
    if rows.numbers is None:
        return texts
    columns = rows.numbers.shape[1]
    missing = [np.full((len(part), columns), np.nan) for part in parts]
    numbers = [m if p.numbers is None else p.numbers for p, m in zip(parts, missing, strict=True)]
    return Rows(texts, np.concatenate(numbers))


def _weights(n_groups: int, lower: float) -> FloatArray:
    return np.array([lower] * (n_groups - 1) + [1.0])


def _paired(groups: Groups, rows: Rows) -> Groups:
    if not rows.are_pairs:
        return groups
    parts = ("first", "second", "difference", "product")
    wide = [(f"{part} {name}", width) for part in parts for name, width in groups]
    return (*wide, *((f"cosine {name}", 1) for name, _ in groups))


def _for_pairs(weights: FloatArray, rows: Rows) -> FloatArray:
    """Return the weights of both sides, difference, product (squared weights) and cosine."""
    if not rows.are_pairs:
        return weights
    return np.concatenate([weights, weights, weights, weights**2, weights])

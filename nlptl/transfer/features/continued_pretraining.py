"""Continued pretraining: train the encoder on unlabelled texts of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import Text
from nlptl.base.streams import Stream, TokenRows
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import (
    BoundTransfer,
    Context,
    Outputs,
    Stage,
    Transfer,
    WeightGroup,
)
from nlptl.data.text_pairs import text_pairs
from nlptl.encoders.contextual.word_masking import SHARE, WordMasking

if TYPE_CHECKING:
    from torch import Tensor

    from nlptl.encoders.contextual.tied_words import TiedWords

_MAX_HEAD_STEPS = 300
_WINDOW, _LEAST_FALL = 50, 0.01
"""The head has converged if the mean loss of the last 50 steps is less than 1 % below that of the
50 steps before them."""

_RATE_ALONE, _RATE_TOGETHER = 20.0, 2.0
"""Factors on the learning rate of the head: while it is trained alone, and with the encoder."""

_ANCHOR_RATIO = 0.25
"""Rows per step that are compared with their old vectors, relative to the rows with hidden words.
They cost a forward pass of their own."""

_HELD_BACK, _MOST_HELD_BACK, _LEAST_TEXTS = 0.1, 300, 10


@dataclass(frozen=True)
class ContinuedPretraining(Transfer):
    """Continue the pretraining of the encoder on unlabelled texts of the target [1]_.

    The texts come from ``fit(..., unlabeled=Corpus(texts))``. By default, the encoder is trained
    on them before anything else. The other transfers of the list, or the head alone, then start
    from the new encoder.

    Training on a narrow set of texts can damage the vectors of a finished sentence encoder. By
    default, only as much of the change is kept as helps on the labelled texts [2]_. The anchor
    keeps the vectors near their old values.

    A tenth of the texts, at most 300, is held back. ``history_.figures`` has the loss on them at
    the start and after each stage.

    Parameters
    ----------
    objective : {"pairs", "words"}
        What is predicted.

        - ``"pairs"``: which beginning and which rest belong to the same text. A text is split
          after its first sentence, which in reviews and mail is often the title. Rows of the
          corpus that are pairs, such as title and body, are used as they are.
        - ``"words"``: hidden words. Their head is new. It is trained alone first, until it has
          converged, and is thrown away at the end.
    epochs : int
        Number of times that each text is used.
    learning_rate : float
        Highest learning rate. It rises in the first steps, and then falls linearly to 0.
    rows_per_step : int
        Number of texts per step. With ``"pairs"``, each is compared with all others.
    anchor : float
        Weight of the squared distance to the old vectors, relative to their mean squared length;
        0 leaves it out.
    adapter : bool
        True trains a low-rank adapter, which is then merged, instead of all weights.
    strength : float or "auto"
        Share of the change of the weights that is kept, from 0 to 1. ``"auto"`` chooses 0, 0.25,
        0.5, 0.75 or 1 on the labelled texts; without such texts, it is 1.
    labelled_share : float or None
        None pretrains before the task. A number trains both together [3]_: it is the share of
        labelled rows in each step, and the weight of the loss of the task. The training settings
        are then those of the task, and ``epochs``, ``learning_rate``, ``rows_per_step``,
        ``adapter`` and ``strength`` have no effect.
    hidden_share : float
        Share of the words that are hidden.
    pair_temperature : float
        Divisor of the cosine similarities of pairs, above 0.

    References
    ----------
    .. [1] Gururangan et al., "Don't Stop Pretraining: Adapt Language Models to Domains and
       Tasks", ACL 2020, arXiv:2004.10964.
    .. [2] Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, arXiv:2109.01903.
    .. [3] Karouzos, Paraskevopoulos and Potamianos, "UDALM: Unsupervised Domain Adaptation through
       Language Modeling", NAACL 2021, arXiv:2104.07078.
    """

    objective: str = "pairs"
    epochs: int = 1
    learning_rate: float = 5e-5
    rows_per_step: int = 32
    anchor: float = 0.0
    adapter: bool = False
    strength: float | str = "auto"
    labelled_share: float | None = None
    hidden_share: float = SHARE
    pair_temperature: float = 0.05

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Gururangan et al. 2020, arXiv:2004.10964"

    def __post_init__(self) -> None:
        if self.objective not in _OBJECTIVES:
            hint = suggest(str(self.objective), _OBJECTIVES)
            raise ConfigError(f"objective={self.objective!r} is not known. {hint}")
        is_number = not isinstance(self.strength, str)
        rules = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "rows_per_step": (self.rows_per_step >= 2, "at least 2"),
            "anchor": (self.anchor >= 0, "at least 0"),
            "strength": (
                0 <= float(self.strength) <= 1 if is_number else self.strength == "auto",
                "from 0 to 1, or 'auto'",
            ),
            "labelled_share": (
                self.labelled_share is None or 0 < self.labelled_share < 1,
                "above 0 and below 1, or None",
            ),
            "hidden_share": (0 < self.hidden_share < 1, "above 0 and below 1"),
            "pair_temperature": (self.pair_temperature > 0, "above 0"),
        }
        broken = [
            f"{name} must be {rule}, got {getattr(self, name)!r}"
            for name, (is_valid, rule) in rules.items()
            if not is_valid
        ]
        if broken:
            raise ConfigError("; ".join(broken))

    @property
    def runs_first(self) -> bool:
        """True if the encoder is pretrained before the task, not together with it."""
        return self.labelled_share is None

    @property
    def ratio(self) -> float:
        """Number of unlabelled rows per labelled row of a step; 1 before the task."""
        share = self.labelled_share
        return 1.0 if share is None else (1 - share) / share

    def bind(self, context: Context) -> BoundTransfer:
        """Bind the objective to one network.

        Raises
        ------
        ConfigError
            If hidden words cannot be predicted with this encoder.
        InputError
            If there are too few texts, or only some of them are pairs.
        """
        texts = list(dict.fromkeys(context.unlabeled))
        if len(texts) < 2:
            raise InputError(
                f"ContinuedPretraining() needs at least two different texts, got {len(texts)}. "
                "Pass more to fit(..., unlabeled=Corpus(texts))."
            )
        if len({isinstance(text, str) for text in texts}) > 1:
            raise InputError(
                "ContinuedPretraining() needs texts of one kind, got pairs of texts and "
                f"single texts, first {texts[0]!r}. Pass only one kind."
            )
        bound: BoundTransfer = _OBJECTIVES[self.objective](self, context, *_held_back(texts))
        return bound


def _held_back(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Divide texts into those to train on and those to hold back; few are not divided."""
    n_held = min(round(_HELD_BACK * len(texts)), _MOST_HELD_BACK)
    n_held = max(n_held, 2) if len(texts) >= _LEAST_TEXTS else 0  # one pair has no other pairs
    order = np.random.default_rng(0).permutation(len(texts))
    held, training = np.sort(order[:n_held]), np.sort(order[n_held:])
    return [texts[i] for i in training], [texts[i] for i in held]


@dataclass(frozen=True, eq=False)
class _Anchor:
    """Old vectors of rows, and the distance of new vectors to them.

    Attributes
    ----------
    vectors : Tensor of shape (n_rows, n_features)
    scale : float
        Mean squared length of the vectors.
    """

    vectors: Tensor
    scale: float

    @classmethod
    def of(cls, vectors: FloatArray) -> _Anchor:
        """Keep the vectors before training."""
        import torch

        scale = float((vectors.astype(np.float64) ** 2).sum(axis=1).mean())
        return cls(torch.from_numpy(vectors), max(scale, 1e-12))

    def distance(self, outputs: Outputs) -> Tensor:
        """Return the mean squared distance, relative to the mean squared length."""
        batch = outputs.batch
        old = self.vectors[batch.numbers.cpu()].to(outputs.features)
        squares = ((outputs.features - old) ** 2).sum(dim=1) / self.scale
        distance: Tensor = (squares * batch.mean_weights).sum()
        return distance


class _BoundWords(BoundTransfer):
    """Prediction of hidden words."""

    needs_hidden_states: ClassVar[bool] = True

    def __init__(
        self,
        spec: ContinuedPretraining,
        context: Context,
        texts: Sequence[Text],
        held: Sequence[Text],
    ) -> None:
        from nlptl.encoders.contextual.tied_words import TiedWords

        self.spec, self.encoder = spec, context.network.encoder
        _refuse_decoder(self.encoder)
        self.masking = WordMasking.of(context.tokenizer, share=spec.hidden_share)
        self.rows: TokenRows = context.rows_of(texts).by_window()
        self.held: TokenRows | None = context.rows_of(held).by_window() if held else None
        self.words: TiedWords = TiedWords(int(self.encoder.config.hidden_size), self.encoder)
        self.words.start_from(self.rows.ids)
        self.anchor = _Anchor.of(context.features_of(self.rows)) if spec.anchor else None

    def modules(self) -> dict[str, Any]:
        """Return the head that predicts words."""
        return {"words": self.words}

    def streams(self) -> dict[str, Stream]:
        """Return the texts with hidden words, and the whole texts to keep the vectors of."""
        ratio = self.spec.ratio
        streams = {"words": Stream(self.rows, ratio, self.masking)}
        if self.anchor is not None:
            streams["whole"] = Stream(self.rows, ratio * _ANCHOR_RATIO)
        return streams

    def held_back(self) -> dict[str, Stream]:
        """Return the texts that are not trained on, with hidden words."""
        return {} if self.held is None else {"words": Stream(self.held, hides=self.masking)}

    def stages(self) -> tuple[Stage, ...]:
        """Return the stage that trains the head alone."""
        stage = Stage(
            "head of words",
            steps=_MAX_HEAD_STEPS,
            ends=has_converged,
            prepares=True,
            trains=_of_head,
            streams=("words",),
        )
        return (stage,)

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the head and the other weights; the new head is trained faster."""
        head = _of_head(names)
        others = [name for name in names if name not in set(head)]
        return [WeightGroup(head, _RATE_TOGETHER if others else _RATE_ALONE), WeightGroup(others)]

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Tensor:
        """Return the mean loss of the hidden words, and the distance to the old vectors."""
        losses, weights = self._losses(outputs["words"])
        total = (losses * weights).sum()
        if self.anchor is not None and "whole" in outputs:
            total = total + self.spec.anchor * self.anchor.distance(outputs["whole"])
        return self.spec.ratio * total

    def figures(self, outputs: Mapping[str, Outputs]) -> dict[str, float]:
        """Return the mean loss of the hidden words."""
        losses, weights = self._losses(outputs["words"])
        total = float(weights.sum())
        return {"masked_word_loss": float((losses * weights).sum()) / max(total, 1e-12)}

    def _losses(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Return the loss and the weight of each hidden word."""
        hidden = outputs.batch.hidden
        if hidden is None:
            raise ValueError("rows without hidden words")
        states = outputs.hidden_states.states[hidden.windows, hidden.positions]
        return self.words.losses(states, hidden.tokens, self.encoder), hidden.weights


class _BoundPairs(BoundTransfer):
    """Prediction of which two parts belong to the same text."""

    compares_rows: ClassVar[bool] = True

    def __init__(
        self,
        spec: ContinuedPretraining,
        context: Context,
        texts: Sequence[Text],
        held: Sequence[Text],
    ) -> None:
        self.spec = spec
        self.rows = _PairRows.of(context, texts)
        self.held = _PairRows.of(context, held)
        if len(self.rows.texts) < 2:
            raise InputError(
                "ContinuedPretraining('pairs') needs at least two texts of several words, got "
                f"{len(self.rows.texts)}. Pass more to fit(..., unlabeled=Corpus(texts))."
            )
        self.anchors = {}
        if spec.anchor:
            parts = self.rows.parts.items()
            self.anchors = {name: _Anchor.of(context.features_of(part)) for name, part in parts}

    def streams(self) -> dict[str, Stream]:
        """Return the beginnings and the rests of the texts."""
        return self.rows.streams(self.spec.ratio)

    def held_back(self) -> dict[str, Stream]:
        """Return the parts of the texts that are not trained on."""
        return self.held.streams() if self.held.texts else {}

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Tensor:
        """Return the loss of telling pairs apart, and the distance to the old vectors."""
        total = self.rows.loss(outputs, self.spec.pair_temperature)
        for name, anchor in self.anchors.items():
            share = self.spec.anchor / len(self.anchors)
            total = total + share * anchor.distance(outputs[name])
        return self.spec.ratio * total

    def figures(self, outputs: Mapping[str, Outputs]) -> dict[str, float]:
        """Return the loss of telling pairs apart."""
        loss = self.held.loss(outputs, self.spec.pair_temperature)
        return {"pair_loss": float(loss.detach())}


@dataclass(frozen=True, eq=False)
class _PairRows:
    """Both parts of texts, as rows with the same numbers.

    Attributes
    ----------
    texts : list of (str, str)
        The two parts of each text.
    parts : dict of str to TokenRows
        The first window of each part.
    """

    texts: list[tuple[str, str]]
    parts: dict[str, TokenRows]

    @classmethod
    def of(cls, context: Context, texts: Sequence[Text]) -> _PairRows:
        """Split texts, and leave out those whose parts are equal."""
        pairs = [(first, second) for first, second in text_pairs(texts) if first != second]
        if not pairs:
            return cls([], {})
        first, second = (list(side) for side in zip(*pairs, strict=True))
        sides = {"beginning": first, "rest": second}
        rows = {name: context.rows_of(side).first_windows() for name, side in sides.items()}
        return cls(pairs, rows)

    def streams(self, ratio: float = 1.0) -> dict[str, Stream]:
        """Return the parts as streams that take the same rows."""
        return {
            "beginning": Stream(self.parts["beginning"], ratio),
            "rest": Stream(self.parts["rest"], ratio, follows="beginning"),
        }

    def loss(self, outputs: Mapping[str, Outputs], temperature: float) -> Tensor:
        """Return the loss of telling the pairs of a batch apart."""
        import torch

        first, second = outputs["beginning"], outputs["rest"]
        pairs = [self.texts[number] for number in first.batch.numbers.tolist()]
        alike = [[a in other or b in other for other in pairs] for a, b in pairs]
        shared = torch.tensor(alike, device=first.features.device)
        return pair_loss(first.features, second.features, shared, temperature=temperature)


_OBJECTIVES: Mapping[str, Callable[..., BoundTransfer]] = MappingProxyType(
    {"pairs": _BoundPairs, "words": _BoundWords}
)


def pair_loss(first: Tensor, second: Tensor, shared: Tensor, *, temperature: float) -> Tensor:
    """Compute the loss of telling which two vectors belong together [1]_.

    Parameters
    ----------
    first, second : Tensor of shape (n, n_features)
        Vectors of the two parts of n texts.
    shared : Tensor of bool, shape (n, n)
        True for two texts with a part in common, such as the same title. They are not compared.
    temperature : float
        Divisor of the cosine similarities.

    Returns
    -------
    Tensor
        A scalar: the mean cross-entropy of finding the second part among all second parts, and
        the first among all first parts.

    References
    ----------
    .. [1] van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive
       Coding", 2018, arXiv:1807.03748.
    """
    import torch
    from torch.nn import functional

    unit, other = (functional.normalize(part.float(), dim=1) for part in (first, second))
    truth = torch.arange(len(unit), device=unit.device)
    others = shared & (truth[:, None] != truth[None, :])
    similarity = (unit @ other.T / temperature).masked_fill(others, float("-inf"))
    forwards = functional.cross_entropy(similarity, truth)
    return (forwards + functional.cross_entropy(similarity.T, truth)) / 2


def has_converged(losses: Sequence[float]) -> bool:
    """Return True if the mean loss of the last 50 steps hardly fell against the 50 before.

    Examples
    --------
    >>> has_converged([5.0] * 99), has_converged([5.0] * 100)
    (False, True)
    """
    if len(losses) < 2 * _WINDOW:
        return False
    recent, before = losses[-_WINDOW:], losses[-2 * _WINDOW : -_WINDOW]
    return float(np.mean(recent)) > (1 - _LEAST_FALL) * float(np.mean(before))


def _of_head(names: Sequence[str]) -> list[str]:
    """Return the names of the weights of the head that predicts words."""
    return [name for name in names if name.startswith("extras.words.")]


def _refuse_decoder(encoder: Any) -> None:
    if getattr(encoder.config, "is_decoder", False):
        raise ConfigError(
            f"ContinuedPretraining('words') needs an encoder that reads the words on both sides, "
            f"but {type(encoder).__name__} is a decoder. Use objective='pairs'."
        )

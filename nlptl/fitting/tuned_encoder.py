"""The encoder that a fit tunes: from texts to a network, and back to features."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from nlptl.base.transfer import BoundTransfer, Context, SourceTexts
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.windows import first_windows
from nlptl.fitting.fitted import TrainingPlan
from nlptl.fitting.transfers import Transfers
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.transfer.features.frozen import TextFeatures

_MAX_TRAINING_WINDOWS = 8
"""Of a longer text so many windows are learnt from; all of them are read to predict."""

_SETTINGS_WITHOUT_EFFECT = ("checkpoints", "save_steps", "log_with", "quiet")
"""Settings of training that do not change what is learnt."""


@dataclass(frozen=True)
class TunedEncoder:
    """What is tuned, by which transfers.

    Attributes
    ----------
    transfers : Transfers
    start : TextFeatures
        The encoder before it is tuned, and how its layers are joined.
    plan : TrainingPlan
    """

    transfers: Transfers
    start: TextFeatures
    plan: TrainingPlan
    unlabeled: Sequence[Any] = ()
    source: SourceTexts = field(default_factory=SourceTexts)

    def network(
        self, make: Callable[..., Any], ids: Iterable[list[int]], seed: int
    ) -> tuple[Any, list[BoundTransfer]]:
        """Make a network ready to be trained, with the transfers bound to it.

        Parameters
        ----------
        make : callable
            Takes an encoder, its ``pooling`` and the ``weights`` of its layers; gives a
            ``TextNetwork``.
        ids : iterable of list of int
            Tokens of what is learnt from: only word embeddings that occur in it can change.
        seed : int
        """
        from nlptl.training.networks.embeddings import keep_occurring

        encoder, folder = self.encoder, self.encoder.folder
        pooling, weights = encoder.chosen_pooling, self.start.weights
        network = make(self._model(), pooling=pooling, weights=weights)
        streams = [*self.unlabeled, *self.source.texts]
        if self.transfers.main.only_occurring_words:
            extra = self.windows(streams, None).windows.ids if streams else []
            keep_occurring(network.encoder, [[self._padding], *ids, *extra])
        context = Context(
            network,
            folder.n_layers,
            seed,
            lambda texts: self.windows(texts, None),
            self.unlabeled,
            self.source,
            len(getattr(network, "places", ())) or 1,
        )
        return network, [transfer.bind(context) for transfer in self.transfers]

    def headless(self, width: int, ids: Iterable[list[int]], seed: int) -> Any:
        """Make a network as ``network`` does, for a loss on features of so many numbers.

        The loop wants a head, and this one does not learn.
        """
        import torch

        from nlptl.training.networks.text_network import TextNetwork

        head = torch.nn.Linear(width, 1).requires_grad_(False)
        return self.network(partial(TextNetwork, head=head, scale=1.0), ids, seed)

    def windows(
        self, texts: Sequence[Any], targets: Targets | None, *, most: int = _MAX_TRAINING_WINDOWS
    ) -> Any:
        """Tokenize texts, or pairs of them, up to so many windows each: ``LabelledWindows``."""
        from nlptl.training.networks.text_network import LabelledWindows

        paired = len(texts) and not isinstance(texts[0], str)
        apart = bool(paired) and not self.start.joint
        single = [text for pair in texts for text in pair] if apart else texts
        windows = first_windows(self.encoder.windows(single), most)
        return LabelledWindows(windows, targets, self._padding, sides=2 if apart else 1)

    def settings(self, seen: Any, config: LoopConfig) -> dict[str, Any]:
        """Tell this fit from others: its data, its encoder and all that decides the result."""
        told = {
            n: value
            for n, value in config.get_params().items()
            if n not in _SETTINGS_WITHOUT_EFFECT
        }
        weights = seen.targets.weights
        return {
            "training": told,
            "transfer": [repr(transfer) for transfer in self.transfers],
            "encoder": self.encoder.fingerprint,
            "pooling": repr(self.encoder.chosen_pooling),
            "joint": self.start.joint,
            "imbalance": repr(self.plan.imbalance),
            "seed": self.plan.seed,
            "rows": fingerprint([seen.windows.ids, seen.targets.codes.tolist()]),
            "weights": None if weights is None else fingerprint(weights.tolist()),
            **self._streams(),
        }

    def _streams(self) -> dict[str, str]:
        """Return fingerprints of the unlabelled texts and of the source, if there are some."""
        streams = {"unlabeled": list(self.unlabeled), "source": list(self.source.texts)}
        if self.source.codes is not None:
            streams["source"] = [streams["source"], np.asarray(self.source.codes).tolist()]
        return {name: fingerprint(texts) for name, texts in streams.items() if texts}

    def features(self, network: Any) -> TextFeatures:
        """Give the encoder of a trained network as the frozen rung gives one."""
        from nlptl.training.networks.embeddings import put_back
        from nlptl.training.processes import give_memory_back

        give_memory_back()
        model = network.encoder
        put_back(model)
        for weight in model.parameters():
            weight.requires_grad_(True)
        # What an adapter is kept apart from has to be a folder without one.
        merged = network.merged or self.encoder.folder.adapter is not None
        apart = None if merged else network.adapter
        base = None if apart is None else self.encoder.weights
        tuned = LoadedEncoder(
            self.encoder.folder, model.eval(), "float32", self._place, adapter=apart, base=base
        )
        return replace(self.start, encoder=replace(self.encoder, weights=tuned, dtype="float32"))

    def average(self, network: Any, first: Any, share: float = 0.5) -> None:
        """Average a trained network with one that was trained before it from the same weights.

        Word embeddings are whole again then. An adapter is averaged by itself, if its kind adds
        up, and put into an encoder that is read anew.

        Parameters
        ----------
        network : TextNetwork
            What is changed.
        first : TextNetwork
            As ``spared`` left it.
        share : float
            What ``first`` counts.
        """
        from nlptl.training.networks.embeddings import put_back
        from nlptl.training.weights.averaging import meet

        if network.adapter is None:
            put_back(network.encoder)
            put_back(first.encoder)
            meet(network, first, share)
            return
        between = network.adapter.middle(first.adapter, share)
        if between is None:
            return
        network.encoder = first.encoder = None
        meet(network, first, share)
        where = next(network.parameters()).device
        network.encoder = between.merged_into(self._model()).to(where)
        network.adapter = between

    @staticmethod
    def spared(network: Any) -> Any:
        """Keep what an average needs of a network: no encoder, where an adapter says all."""
        if network.adapter is not None:
            network.encoder = None
        return network

    @property
    def encoder(self) -> TransformerEncoder:
        """The encoder as it was before."""
        encoder: TransformerEncoder = self.start.encoder
        return encoder

    def _model(self) -> Any:
        """Read the encoder anew: a fit never changes weights that others use."""
        if self.encoder.weights is not None:
            return copy.deepcopy(self.encoder.weights.model).float()
        stock = self.encoder.chosen_pooling.tokens == "stock"
        dropout = self.plan.config.attention_dropout
        return read_encoder(
            self.encoder.folder, "float32", self._place, stock=stock, attention_dropout=dropout
        ).model

    @property
    def _place(self) -> str:
        return self.plan.device or default_device()

    @property
    def _padding(self) -> int:
        return self.encoder.padding

"""Encoder that a fit tunes: build its network and return the features of the trained network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.inputs import Text
from nlptl.base.transfer import BoundTransfer, Context, SourceTexts
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.loaded import LoadedEncoder, default_device, read_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.windows import first_windows
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.transfers import Transfers
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.transfer.features.frozen import TextFeatures

if TYPE_CHECKING:
    from nlptl.training.networks.text_network import LabelledWindows, TextNetwork

_MAX_TRAINING_WINDOWS = 8
"""Maximum number of windows per text in training. Prediction reads all windows."""

_SETTINGS_WITHOUT_EFFECT = ("checkpoints", "save_steps", "log_with", "quiet")
"""Training settings that do not change the trained weights."""

_MIN_BYTES_TO_GIVE_BACK = 1 << 24
"""Bytes of an encoder whose gradients and moments are worth the search for free memory."""


@dataclass(frozen=True)
class TunedEncoder:
    """Encoder to tune, with the transfers that tune it.

    Attributes
    ----------
    transfers : Transfers
    start : TextFeatures
        The encoder before tuning, with the weights of its layers.
    plan : TrainingPlan
    unlabeled : sequence of str or of (str, str)
        Unlabelled texts for the transfers that need them.
    sources : sequence of SourceTexts
        Corpora of the source for the transfers that train a head for each.
    """

    transfers: Transfers
    start: TextFeatures
    plan: TrainingPlan
    unlabeled: Sequence[Any] = ()
    sources: Sequence[SourceTexts] = ()

    def network(
        self, make: Callable[..., Any], ids: Iterable[list[int]], seed: int
    ) -> tuple[Any, list[BoundTransfer]]:
        """Build a network that is ready to train, and bind the transfers to it.

        Parameters
        ----------
        make : callable
            Takes an encoder, its ``pooling`` and the ``weights`` of its layers; returns a
            ``TextNetwork``.
        ids : iterable of list of int
            Tokens of the training rows. With ``only_occurring_words``, only the word embeddings of
            these rows, of ``unlabeled`` and of ``sources`` can change.
        seed : int
            Seed for the transfers.
        """
        from nlptl.training.networks.embeddings import keep_occurring
        from nlptl.training.networks.text_network import features_of

        encoder, folder = self.encoder, self.encoder.folder
        pooling, weights = encoder.reader.pooling, self.start.weights
        network = make(self.fresh_model(), pooling=pooling, weights=weights)
        streams = [part for part in (self.unlabeled, *(s.texts for s in self.sources)) if len(part)]
        if self.transfers.main.only_occurring_words:
            extra = [ids for part in streams for ids in self.windows(part, None).windows.ids]
            mask = encoder.folder.tokenizer.mask_token_id if streams else None
            fillers = [encoder.reader.padding, *([] if mask is None else [int(mask)])]
            keep_occurring(network.encoder, [fillers, *ids, *extra])
        context = Context(
            network,
            folder.n_layers,
            seed,
            lambda texts: self.windows(texts, None),
            self.unlabeled,
            self.sources,
            len(getattr(network, "places", ())) or 1,
            folder.tokenizer,
            lambda rows: features_of(network, rows),
        )
        ordered = sorted(self.transfers, key=lambda transfer: transfer.binds_last)
        return network, [transfer.bind(context) for transfer in ordered]

    def headless(self, width: int, ids: Iterable[list[int]], seed: int) -> Any:
        """Build a network like ``network`` does, for a loss on features of size ``width``.

        The training loop needs a head. The head of this network is not trained.
        """
        import torch

        from nlptl.training.networks.text_network import TextNetwork

        head = torch.nn.Linear(width, 1).requires_grad_(False)
        return self.network(partial(TextNetwork, head=head, scale=1.0), ids, seed)

    def windows(
        self,
        texts: Sequence[Text],
        targets: Targets | None,
        *,
        max_windows: int = _MAX_TRAINING_WINDOWS,
    ) -> Any:
        """Tokenize texts or pairs; return ``LabelledWindows`` of at most ``max_windows`` each."""
        from nlptl.training.networks.text_network import LabelledWindows

        paired = len(texts) and not isinstance(texts[0], str)
        separate = bool(paired) and not self.start.joint
        single = [text for pair in texts for text in pair] if separate else texts
        reader = self.encoder.reader
        windows = first_windows(reader.windows(single), max_windows)
        return LabelledWindows(windows, targets, reader.padding, sides=2 if separate else 1)

    def settings(self, rows: Any | None, config: LoopConfig) -> dict[str, Any]:
        """Return what identifies a fit in its checkpoints: data, encoder and settings.

        ``rows`` is None if training uses only the unlabelled texts and the source.
        """
        training = {
            name: value
            for name, value in config.get_params().items()
            if name not in _SETTINGS_WITHOUT_EFFECT
        }
        return {
            "training": training,
            "transfer": [repr(transfer) for transfer in self.transfers],
            "encoder": self.encoder.fingerprint,
            "pooling": repr(self.encoder.reader.pooling),
            "joint": self.start.joint,
            "imbalance": repr(self.plan.imbalance),
            "seed": self.plan.seed,
            **(self._window() if rows is None else _labelled(rows)),
            **self._streams(),
        }

    def _window(self) -> dict[str, Any]:
        """Return how texts are cut, which tokenized rows would show."""
        return {"window": self.encoder.reader.window, "long_texts": self.encoder.long_texts}

    def _streams(self) -> dict[str, str]:
        """Return fingerprints of the unlabelled texts and of the source, if there are some."""
        streams: dict[str, list[Any]] = {"unlabeled": list(self.unlabeled)}
        streams["source"] = [
            [list(p.texts), None if p.codes is None else np.asarray(p.codes).tolist()]
            for p in self.sources
        ]
        return {name: fingerprint(texts) for name, texts in streams.items() if texts}

    def features(self, network: TextNetwork) -> TextFeatures:
        """Return the features of a trained network, like those of a frozen encoder."""
        from nlptl.training.networks.embeddings import put_back
        from nlptl.training.processes import give_memory_back

        model = network.encoder
        if sum(weight.nbytes for weight in model.parameters()) >= _MIN_BYTES_TO_GIVE_BACK:
            give_memory_back()
        put_back(model)
        for weight in model.parameters():
            weight.requires_grad_(True)
        # An adapter is stored separately only if the folder of the encoder has no adapter.
        is_merged = network.merged or self.encoder.folder.adapter is not None
        adapter = None if is_merged else network.adapter
        base = None if adapter is None else self.encoder.weights
        tuned = LoadedEncoder(
            self.encoder.folder, model.eval(), "float32", self._place, adapter=adapter, base=base
        )
        return replace(
            self.start, encoder=replace(self.encoder, weights=tuned, precision="float32")
        )

    def average(self, network: TextNetwork, first: Any, share: float = 0.5) -> None:
        """Average the weights of two networks that were trained from the same start.

        Afterwards the word embeddings are complete again. An adapter is averaged separately, if
        its kind can be averaged, and merged into a new copy of the encoder.

        Parameters
        ----------
        network : TextNetwork
            Changed in place to the average.
        first : TextNetwork
            Network of the earlier training, from ``spared``.
        share : float
            Weight of ``first`` in the average, from 0 to 1.
        """
        from nlptl.training.networks.embeddings import put_back
        from nlptl.training.weights.averaging import meet

        if network.adapter is None:
            put_back(network.encoder)
            put_back(first.encoder)
            meet(network, first, share)
            return
        mean_adapter = network.adapter.middle(first.adapter, share)
        if mean_adapter is None:
            return
        network.encoder = first.encoder = None
        meet(network, first, share)
        device = next(network.parameters()).device
        network.encoder = mean_adapter.merged_into(self.fresh_model()).to(device)
        network.adapter = mean_adapter

    @staticmethod
    def spared(network: TextNetwork) -> Any:
        """Return a network for ``average``, without its encoder if an adapter is enough."""
        if network.adapter is not None:
            network.encoder = None
        return network

    @property
    def encoder(self) -> TransformerEncoder:
        """The encoder before tuning."""
        encoder: TransformerEncoder = self.start.encoder
        return encoder

    def fresh_model(self) -> Any:
        """Return a new copy of the encoder. A fit never changes weights that others use."""
        if self.encoder.weights is not None:
            return copy.deepcopy(self.encoder.weights.model).float()
        stock = self.encoder.reader.is_stock
        dropout = self.plan.config.attention_dropout
        return read_encoder(
            self.encoder.folder, "float32", self._place, stock=stock, attention_dropout=dropout
        ).model

    @property
    def _place(self) -> str:
        return self.plan.device or default_device()


def _labelled(rows: LabelledWindows) -> dict[str, Any]:
    """Return fingerprints of labelled rows and of their weights."""
    targets = rows.labels
    weights = None if targets.weights is None else fingerprint(targets.weights.tolist())
    return {"rows": fingerprint([rows.windows.ids, targets.codes.tolist()]), "weights": weights}

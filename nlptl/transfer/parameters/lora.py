"""Adapters: train a few additional weights and keep those of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, NetworkResult, Transfer, WeightGroup
from nlptl.encoders.contextual.adapters import adapted, merged, peft_config, plain, taken_out
from nlptl.transfer.parameters.full import FEATURES

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoRA(Transfer):
    """Train a low-rank update of every linear layer and keep the encoder weights fixed [1]_.

    As with ``FullFineTune``, the head is fitted on frozen features first. It is then trained
    together with the adapter.

    Parameters
    ----------
    rank : int
        Rank of the update of each layer.
    alpha : float or None
        The update is scaled by ``alpha / rank``. None scales it by 2.
    dropout : float
        Dropout rate of the inputs of the adapter in training; at least 0 and below 1.
    targets : "all-linear" or sequence of str
        Layers to adapt, named as in peft.
    rslora : bool
        True scales the update by ``alpha / sqrt(rank)`` [2]_, so that one ``alpha`` suits every
        rank.
    dora : bool
        True trains the magnitude and the direction separately [3]_. This is slower.
    rate : float
        Factor on the learning rate of the adapter. An adapter needs about ten times the learning
        rate of full fine-tuning.
    merge : bool
        True adds the update to the saved weights of the encoder. False saves the adapter in a
        separate folder, which peft can read. Predictions are the same. If training runs twice
        (``TrainingConfig(refit=...)``), the mean of both adapters is saved, with twice the rank.
        For DoRA and adapter types other than LoRA, only the second adapter is saved.
    features : {"top", "weighted", "all"}
        Input of the head, as in ``Frozen``.
    config : dict or PeftConfig, optional
        Settings of another adapter type of peft that acts on layers (``IA3Config``,
        ``VeraConfig`` and so on), or additional settings of ``LoraConfig``. If set, the
        parameters ``rank`` to ``dora`` have no effect.

    References
    ----------
    .. [1] Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
       arXiv:2106.09685.
    .. [2] Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA", 2023,
       arXiv:2312.03732.
    .. [3] Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", ICML 2024,
       arXiv:2402.09353.
    """

    rank: int = 32
    alpha: float | None = None
    dropout: float = 0.0
    targets: Any = "all-linear"
    rslora: bool = False
    dora: bool = False
    rate: float = 10.0
    merge: bool = True
    features: str = "top"
    config: Any = field(default=None)

    carries: ClassVar[str] = "parameters"
    trains_encoder: ClassVar[bool] = True
    chooses_weights: ClassVar[bool] = True
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Hu et al. 2022, arXiv:2106.09685"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"rank must be at least 1, got {self.rank}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}.")
        if not self.rate > 0 or not (self.alpha is None or self.alpha > 0):
            raise ConfigError(
                f"rate and alpha must be above 0, got rate={self.rate}, alpha={self.alpha}."
            )
        if self.features not in FEATURES:
            hint = suggest(str(self.features), FEATURES)
            raise ConfigError(f"features={self.features!r} is not known. {hint}")
        if self.config is not None and not isinstance(self.config, dict):
            # Plain JSON, so that the transfer can be compared, copied and stored.
            object.__setattr__(self, "config", plain(self.config))

    @property
    def averages_weights(self) -> bool:
        """True, because the adapters of two trainings can be averaged."""
        return True

    @property
    def only_occurring_words(self) -> bool:
        """True if the adapter does not act on word embeddings."""
        return self.config is None and self.targets == "all-linear"

    def bind(self, context: Context) -> BoundTransfer:
        """Insert a new adapter into the encoder of a network.

        Raises
        ------
        ConfigError
            If peft cannot adapt this encoder with these settings.
        """
        model = context.network.encoder
        config = peft_config({**self.described(model), "inference_mode": False})
        names = set(model.state_dict())
        return _BoundAdapter(self, adapted(model, config), names)

    def described(self, model: nn.Module) -> dict[str, Any]:
        """Return the peft settings for an encoder as plain JSON."""
        fresh = sorted(getattr(model, "fresh_modules", ()))
        always = {"modules_to_save": fresh} if fresh else {}
        if self.config is not None:
            return {"peft_type": "LORA", **always, **self.config}
        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        settings = {
            "peft_type": "LORA",
            "task_type": "FEATURE_EXTRACTION",
            "r": self.rank,
            "lora_alpha": self.alpha or 2 * (self.rank**0.5 if self.rslora else self.rank),
            "lora_dropout": self.dropout,
            "target_modules": targets,
            "use_rslora": self.rslora,
            "use_dora": self.dora,
            **always,
        }
        if targets == "all-linear" and hasattr(model, "pooler"):
            settings["exclude_modules"] = ".*pooler.*"  # text vectors do not pass through it
        return settings


@dataclass(frozen=True, eq=False)
class _BoundAdapter(BoundTransfer):
    """Adapter inside one network."""

    spec: LoRA
    model: Any
    names: set[str]

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the adapter and the head; the adapter is trained faster."""
        adapter = [name for name in names if name.startswith("encoder.")]
        others = [name for name in names if not name.startswith("encoder.")]
        return [WeightGroup(adapter, self.spec.rate), WeightGroup(others)]

    def finish(self) -> NetworkResult:
        """Return the encoder with the adapter merged into it, and the adapter by itself."""
        adapter = taken_out(self.model)
        encoder = merged(self.model)
        complete = set(encoder.state_dict()) == self.names
        return NetworkResult(encoder, adapter, complete and self.spec.merge)

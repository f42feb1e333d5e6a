"""Adapters: few weights learn beside those that were carried over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, NetworkResult, Transfer
from nlptl.encoders.contextual.adapters import adapted, merged, peft_config, plain, taken_out
from nlptl.transfer.parameters.full import FEATURES


@dataclass(frozen=True)
class LoRA(Transfer):
    """Learn a low-rank change of every linear layer, and leave the encoder as it is [1]_.

    As with ``FullFineTune``, the head is fitted on frozen features first, and learns on together
    with the adapter.

    Parameters
    ----------
    rank : int
        Of the change of each layer.
    alpha : float or None
        The change is scaled by ``alpha / rank``; None scales it by 2.
    dropout : float
        Share of a layer's inputs that the adapter does not see in training.
    targets : "all-linear" or sequence of str
        Which layers are changed, as peft names them.
    rslora : bool
        Scale by ``alpha / sqrt(rank)`` [2]_, so that one ``alpha`` suits every rank.
    dora : bool
        Learn length and direction of each change apart [3]_; slower.
    rate : float
        Factor on the learning rate of the adapter: it wants about ten times that of all weights.
    merge : bool
        Add the change to the weights in what is saved; otherwise the adapter is stored beside
        the encoder, where peft can read it. Predictions are the same. Where training is done
        twice (``TrainingConfig(refit=...)``) the mean of both is stored, at twice the rank;
        of DoRA and kinds other than LoRA the second alone.
    features : {"top", "weighted", "all"}
        What the head sees, as in ``Frozen``.
    config : dict or PeftConfig, optional
        Settings of any other adapter of layers that peft has (``IA3Config``, ``VeraConfig``
        and so on), or more of ``LoraConfig``; given, it decides instead of the above.

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
            raise ConfigError(f"dropout must lie from 0 to below 1, got {self.dropout}.")
        if not self.rate > 0 or not (self.alpha is None or self.alpha > 0):
            raise ConfigError(
                f"rate and alpha must be above 0, got rate={self.rate}, alpha={self.alpha}."
            )
        if self.features not in FEATURES:
            known = suggest(str(self.features), FEATURES)
            raise ConfigError(f"features={self.features!r} is not known. {known}")
        if self.config is not None and not isinstance(self.config, dict):
            # Plain JSON, so that the choice can be compared, copied and stored.
            object.__setattr__(self, "config", plain(self.config))

    @property
    def averages_weights(self) -> bool:
        """True: adapters of two trainings can be averaged."""
        return True

    @property
    def only_occurring_words(self) -> bool:
        """True if the adapter does not belong to word embeddings."""
        return self.config is None and self.targets == "all-linear"

    def bind(self, context: Context) -> BoundTransfer:
        """Put a new adapter into the encoder of a network.

        Raises
        ------
        ConfigError
            If peft cannot adapt this encoder in this way.
        """
        model = context.network.encoder
        wanted = peft_config({**self.described(model), "inference_mode": False})
        names = set(model.state_dict())
        return _BoundAdapter(self, adapted(model, wanted), names)

    def described(self, model: Any) -> dict[str, Any]:
        """Return the settings of peft for an encoder as plain JSON."""
        fresh = sorted(getattr(model, "fresh_modules", ()))
        always = {"modules_to_save": fresh} if fresh else {}
        if self.config is not None:
            return {"peft_type": "LORA", **always, **self.config}
        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        described = {
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
            described["exclude_modules"] = ".*pooler.*"  # what no vector passes through
        return described


@dataclass(frozen=True, eq=False)
class _BoundAdapter(BoundTransfer):
    """An adapter inside a network."""

    spec: LoRA
    model: Any
    names: set[str]

    def rate(self, name: str) -> float:
        """Return the factor of the adapter, which is trained faster than the head."""
        return self.spec.rate if name.startswith("encoder.") else 1.0

    def finish(self) -> NetworkResult:
        """Merge the adapter into the encoder, and return a copy of it as well."""
        adapter = taken_out(self.model)
        encoder = merged(self.model)
        complete = set(encoder.state_dict()) == self.names
        return NetworkResult(encoder, adapter, complete and self.spec.merge)

"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass

from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Spec):
    """Settings of the training loop.

    Parameters
    ----------
    epochs : int
        The most passes over the training rows.
    batch_size : int
        Rows an optimiser step.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
        Of AdamW; biases and normalisation are left out.
    warmup_share : float
        Share of all steps in which the rate rises to its peak, from 0 to 1; after that it falls
        to zero along a straight line.
    clip_norm : float
        Gradients longer than this are shortened to it.
    patience : int
        Stop after so many epochs without a better score on held-out rows.
    """

    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.1
    clip_norm: float = 1.0
    patience: int = 8

    def __post_init__(self) -> None:
        rules = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "warmup_share": (0 <= self.warmup_share <= 1, "from 0 to 1"),
            "clip_norm": (self.clip_norm > 0, "above 0"),
            "patience": (self.patience >= 1, "at least 1"),
        }
        broken = [
            f"{name} must be {rule}, got {getattr(self, name)!r}"
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if broken:
            raise ConfigError("; ".join(broken))

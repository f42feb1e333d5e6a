"""Floor 3: one training loop on Accelerate."""

from nlptl.training.config import TrainingConfig

__all__ = ["TrainingConfig"]

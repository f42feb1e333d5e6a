"""Floor 3: the training loop, built on Accelerate."""

from nlptl.training.config import TrainingConfig

__all__ = ["TrainingConfig"]

"""Settings of the training loop: epochs, batches, learning rate, validation, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest

Config = TypeVar("Config", bound="TrainingConfig")

SCHEDULES = ("linear", "cosine", "constant", "slanted")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
AVERAGES = ("ema", "tail")
KEPT = ("auto", "best", "last")

_TYPES = {
    "int": ((Integral,), "a whole number"),
    "float": ((Real,), "a number"),
    "bool": ((bool, np.bool_), "True or False"),
    "str": ((str, PathLike), "a text"),
}
"""Accepted types of a setting and their description, by its annotation."""

_OTHER_NAMES = {
    "early_stopping_patience": "patience",
    "gradient_accumulation_steps": "accumulation",
    "lr": "learning_rate",
    "lr_scheduler_type": "schedule",
    "max_grad_norm": "clip_norm",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "output_dir": "checkpoints",
    "per_device_train_batch_size": "batch_size",
    "report_to": "log_with",
    "warmup_ratio": "warmup_share",
}
"""Names of the same settings in other libraries, for suggestions."""


def _with_suggestions(cls: type[Config]) -> type[Config]:
    """Let the constructor suggest a setting for an unknown name."""
    init = cls.__init__

    @wraps(init)
    def checked(self: Config, **settings: Any) -> None:
        names = [field.name for field in fields(cls)]
        for name in settings:
            if name not in names:
                hint = suggest(_OTHER_NAMES.get(name, name), names)
                raise ConfigError(f"{cls.__name__} has no setting {name!r}. {hint}")
        init(self, **settings)

    cls.__init__ = checked  # type: ignore[assignment, method-assign]
    return cls


@_with_suggestions
@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Spec):
    """Settings of the training loop.

    Values left at None get a default that depends on what is trained:

    - Networks on frozen features: 40 epochs, 32 rows per batch, learning rate 2e-3, weight decay
      0.05, patience 8.
    - Encoders: 6 epochs, 16 rows per batch, learning rate 1e-4, weight decay 0.01, patience 6.
    - ``Contrastive``: 3 to 12 epochs, 64 rows per batch, learning rate 1.5e-4.

    Networks on frozen features hold out a fifth of the rows if there are at least 40 rows and
    ``validation_share`` is not 0. They choose the best epoch by the log loss of these rows, and
    then train again on all rows. Only encoders use ``metric``, ``keep``, ``refit``, ``restarts``,
    ``accumulation``, ``tokens_per_pass`` and checkpoints.

    Parameters
    ----------
    epochs : int or None
        Maximum number of passes over the training rows.
    batch_size : int or None
        Rows per optimiser step, summed over all processes.
    learning_rate : float or None
        Peak of the learning rate schedule.
    weight_decay : float or None
        Weight decay of AdamW. Biases and normalisation weights do not decay.
    warmup_share : float
        Share of all steps in which the learning rate rises to its peak, from 0 to 1.
    clip_norm : float
        Maximum norm of the gradient. Longer gradients are scaled down to it.
    patience : int or None
        Stop after this number of epochs without a better score on held-out rows.
    schedule : {"linear", "cosine", "constant", "slanted"}
        Shape of the learning rate after the peak. ``"linear"`` and ``"cosine"`` fall to zero,
        ``"constant"`` stays at the peak, ``"slanted"`` falls linearly to 1/32 of the peak [1]_.
    max_steps : int or None
        Stop after this number of optimiser steps, regardless of ``epochs``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Number format of the forward pass. Weights stay float32. ``"auto"`` uses bfloat16
        if an encoder is trained and the device supports it. float16 needs a CUDA device.
    accumulation : int
        Forward passes per step; the rows of a step are divided among them. Results stay the same,
        except for a transfer that compares rows: it compares only the rows within a pass.
    tokens_per_pass : int
        Split a step into more passes if it has more padded tokens than this.
    checkpoint_activations : bool
        True to compute activations twice instead of storing them: less memory, slower.
    attention_dropout : bool
        True to drop attention weights at the rate of the pretrained encoder. False allows faster
        attention kernels.
    average : {"ema", "tail"} or None
        Use averaged weights: an exponential moving average [2]_, or the plain mean over the last
        third of the steps [3]_.
    metric : str
        Metric of the score on held-out rows: ``log_loss`` or any metric that ``evaluate``
        reports, except ``mean_rank_error``.
    keep : {"auto", "best", "last"}
        Epoch whose weights are kept. ``"best"`` keeps the epoch with the best score on held-out
        rows. ``"auto"`` means ``"best"`` if ``fit`` receives ``validation``.
    validation_share : float
        Share of the rows that is held out if ``fit`` does not receive ``validation``. These rows
        choose the best epoch, or otherwise only calibrate probabilities. 0 holds out no rows.
    refit : bool or None
        Train again on all rows after the held-out rows have set the number of epochs and the
        calibration. None means True with fewer than 1,000 rows, where a tenth of the rows
        matters most. The weights of both trainings are then averaged, unless the head starts at
        random.
    restarts : int
        Maximum number of restarts with a new seed after a collapsed run.
    checkpoints : str or None
        Folder for checkpoints. An interrupted fit resumes from them.
    save_steps : int or None
        Steps between checkpoints. None means a tenth of the training, limited to 50 to 500 steps.
    log_with : str or None
        Experiment tracker that Accelerate supports: tensorboard, trackio, wandb and others.
    quiet : bool
        True to hide the progress bar.

    References
    ----------
    .. [1] Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    .. [2] Polyak and Juditsky, "Acceleration of stochastic approximation by averaging",
       SIAM J. Control Optim. 30(4), 1992.
    .. [3] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
       UAI 2018, arXiv:1803.05407.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_share: float = 0.1
    clip_norm: float = 1.0
    patience: int | None = None
    schedule: str = "linear"
    max_steps: int | None = None
    precision: str = "auto"
    accumulation: int = 1
    tokens_per_pass: int = 32_768
    checkpoint_activations: bool = False
    attention_dropout: bool = False
    average: str | None = None
    metric: str = "log_loss"
    keep: str = "auto"
    validation_share: float = 0.1
    refit: bool | None = None
    restarts: int = 2
    checkpoints: str | None = None
    save_steps: int | None = None
    log_with: Any = None
    quiet: bool = False

    def __post_init__(self) -> None:
        self._check_types()
        counts = ("epochs", "batch_size", "patience", "accumulation", "tokens_per_pass")
        rules = {
            **{name: (_holds(getattr(self, name), 1), "at least 1") for name in counts},
            "save_steps": (_holds(self.save_steps, 1), "at least 1, or None"),
            "learning_rate": (self.learning_rate is None or self.learning_rate > 0, "above 0"),
            "weight_decay": (_holds(self.weight_decay, 0), "at least 0"),
            "warmup_share": (0 <= self.warmup_share <= 1, "from 0 to 1"),
            "clip_norm": (self.clip_norm > 0, "above 0"),
            "max_steps": (_holds(self.max_steps, 1), "at least 1, or None"),
            "validation_share": (0 <= self.validation_share <= 0.5, "from 0 to 0.5"),
            "restarts": (self.restarts >= 0, "at least 0"),
        }
        _refuse(
            f"{name} must be {rule}, got {getattr(self, name)!r}"
            for name, (is_valid, rule) in rules.items()
            if not is_valid
        )
        self._check_names()

    def over(self, chosen: LoopConfig) -> LoopConfig:
        """Return these settings, with each None replaced by the value of ``chosen``."""
        settings = {name: value for name, value in self.get_params().items() if value is not None}
        return replace(chosen, **settings)

    def _check_types(self) -> None:
        """Check the settings against their annotations."""
        broken = []
        for setting in fields(self):
            kind, _, optional = str(setting.type).partition(" | ")
            value = getattr(self, setting.name)
            if kind not in _TYPES or (value is None and optional):
                continue
            types, description = _TYPES[kind]
            if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
                choice = ", or None" if optional else ""
                broken.append(f"{setting.name} must be {description}{choice}, got {value!r}")
        _refuse(broken)

    def _check_names(self) -> None:
        choices = {"schedule": SCHEDULES, "precision": PRECISIONS, "keep": KEPT}
        if self.average is not None:
            choices["average"] = AVERAGES
        for name, names in choices.items():
            value = getattr(self, name)
            if value not in names:
                raise ConfigError(f"{name}={value!r} is not known. {suggest(str(value), names)}")


@dataclass(frozen=True, kw_only=True)
class LoopConfig(TrainingConfig):
    """Settings without open values, as the training loop needs them.

    The defaults are those of networks on frozen features.
    """

    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    patience: int = 8


def in_subfolder(config: Config, name: str) -> Config:
    """Return the settings with a subfolder for the checkpoints of one of several trainings."""
    if config.checkpoints is None:
        return config
    return replace(config, checkpoints=str(Path(config.checkpoints) / name))


def _refuse(broken: Iterable[str]) -> None:
    """Raise one error for all broken rules, if there are any."""
    message = "; ".join(broken)
    if message:
        raise ConfigError(f"{message}. Correct these settings.")


def _holds(value: float | None, least: float) -> bool:
    return value is None or value >= least

"""Record of a fit in a model folder: its cost, its history and its training settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlptl.base.described import checked, make
from nlptl.saving.saved_model import MeasuredModel
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import Cost
from nlptl.training.domain_shift import DomainShift
from nlptl.training.history import History


def cost_of(model: MeasuredModel) -> dict[str, Any] | None:
    """Return the cost of a fit as plain JSON values."""
    return None if model.cost_ is None else model.cost_.to_json()


def read_cost(described: Mapping[str, object]) -> Cost | None:
    """Read the cost that ``cost_of`` wrote."""
    cost = described.get("cost")
    return None if cost is None else make(Cost, cost)


def history_of(history: History | None) -> dict[str, Any] | None:
    """Return losses, scores, best epoch and figures, without the details of one run."""
    if history is None:
        return None
    shift = {} if history.domains is None else {"domains": history.domains.to_json()}
    names = ("losses", "scores", "best_epoch", *(("figures",) if history.figures else ()))
    return {name: getattr(history, name) for name in names} | shift


def read_history(described: Mapping[str, object]) -> History | None:
    """Read the history that ``history_of`` wrote; None for folders of older versions."""
    history = described.get("history")
    if history is None:
        return None
    parts = dict(checked(history, dict[str, Any], "history"))
    if "domains" in parts:
        parts["domains"] = DomainShift.from_json(parts["domains"])
    return make(History, parts)


def training_of(config: TrainingConfig | None) -> dict[str, Any] | None:
    """Return the training settings, without those that depend on the machine."""
    if config is None:
        return None
    skipped = ("checkpoints", "log_with", "quiet")
    return {name: value for name, value in config.get_params().items() if name not in skipped}


def read_training(settings: object) -> TrainingConfig | None:
    """Read the settings that ``training_of`` wrote."""
    return None if settings is None else make(TrainingConfig, settings)

"""Checks that the transfers of a fit can be used with its data and its batches."""

from __future__ import annotations

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import Transfer
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import Transfers
from nlptl.training.config import LoopConfig

_MIN_ROWS_TO_COMPARE = 2
"""Minimum number of rows per forward pass for a loss that compares rows."""


def check_supported(transfers: Transfers, data: TrainingData) -> None:
    """Check that all transfers support the kind of the texts and of their labels.

    Raises
    ------
    ConfigError
        If a transfer does not support pairs of texts, several labels per text, or numbers.
    InputError
        If domains are compared, but only one of them has pairs of texts.
    """
    received = {}
    if data.rows.are_pairs:
        received["pairs"] = "pairs of texts"
    if data.targets.several:
        received["several labels"] = f"up to {data.targets.n_outputs} labels per text"
    if data.targets.numeric:
        received["numbers"] = "numbers"
    for transfer in transfers.every:
        for kind, description in received.items():
            if kind not in transfer.supports:
                raise ConfigError(
                    f"{type(transfer).__name__}() {_needed(transfer, kind)}, got {description}. "
                    "Leave it out."
                )
        if transfer.compares_domains and _kinds_differ(data):
            raise InputError(
                f"{type(transfer).__name__}() needs labelled and unlabelled texts of the same "
                "kind, got pairs of texts and single texts. Pass only one kind."
            )


def check_one_task(transfers: Transfers) -> None:
    """Check that all transfers can be used when several tasks share an encoder.

    Raises
    ------
    ConfigError
        If a transfer is for one task.
    """
    for transfer in transfers.every:
        if "tasks" not in transfer.supports:
            raise ConfigError(
                f"{type(transfer).__name__}() needs a model of one task, got several tasks. Leave "
                "it out."
            )


def check_batches(transfers: Transfers, config: LoopConfig) -> None:
    """Check that batches have rows to compare, if a transfer compares domains in training.

    Raises
    ------
    ConfigError
        If each forward pass has a single row.
    """
    n_rows = config.batch_size // config.accumulation
    names = [f"{type(transfer).__name__}()" for transfer in transfers if transfer.compares_domains]
    if names and n_rows < _MIN_ROWS_TO_COMPARE:
        raise ConfigError(
            f"{' and '.join(names)} compares the rows of a forward pass, but it has only {n_rows}: "
            f"batch_size={config.batch_size} and accumulation={config.accumulation}. Use a larger "
            "batch_size."
        )


def _needed(transfer: Transfer, kind: str) -> str:
    """Return what a transfer needs instead of a kind of data that it does not support."""
    if kind == "pairs":
        return "needs single texts"
    if "several labels" in transfer.supports:
        return "compares classes"
    return "needs one label per text"


def _kinds_differ(data: TrainingData) -> bool:
    """Return True if only the labelled rows, or only the unlabelled rows, are pairs of texts."""
    both = len(data.rows) and len(data.unlabeled)
    return bool(both) and data.rows.are_pairs != data.unlabeled.are_pairs

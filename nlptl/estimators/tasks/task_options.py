"""Options that all tasks of a multi-task model share: transfer, mixing, balance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.data.mixing import Mixing
from nlptl.estimators.named_parts import with_objects
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task
from nlptl.fitting.transfer_checks import check_one_task
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import TrainingConfig, in_subfolder
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.parameters.sharing import PrivateLayers, TaskAdapters

BALANCES = ("sum", "uncertainty", "pcgrad")


def transfers_of(transfer: object) -> Transfers:
    """Check and return the transfer of a multi-task model.

    Raises
    ------
    ConfigError
        If it does not train the encoder together with the heads, or is for one task.
    """
    transfers = as_transfers(transfer)
    if not transfers.tunes or transfers.refits_head or transfers.meaning is not None:
        methods = transfers.pretraining or tuple(transfers)
        names = ", ".join(f"{type(method).__name__}()" for method in methods)
        raise ConfigError(
            "Tasks share an encoder, and transfer must train it together with the heads. Got "
            f"{names}. Use FullFineTune() or LoRA()."
        )
    check_one_task(transfers)
    if getattr(transfers.main, "gradual", False):
        raise ConfigError(
            "FullFineTune(gradual=True) needs a model of one task, got several tasks. Leave "
            "gradual out."
        )
    check_adapters(transfers)
    return transfers


def check_adapters(transfers: Transfers) -> None:
    """Check that ``LoRA`` is not combined with a transfer that has weights for each task.

    Raises
    ------
    ConfigError
        If both are in use.
    """
    kinds = {type(transfer) for transfer in transfers}
    for kind in (PrivateLayers, TaskAdapters):
        if {LoRA, kind} <= kinds:
            raise ConfigError(
                f"LoRA() trains one adapter for all tasks, and {kind.__name__}() has weights for "
                "each task. Use only one of them."
            )


def check_memory(transfers: Transfers, training: TrainingConfig | None, mixing: Mixing) -> None:
    """Check that layers which are computed again use the adapter of their task.

    Raises
    ------
    ConfigError
        If they would use the adapter of another task.
    """
    again = training is not None and training.checkpoint_activations
    if again and mixing.mixed and any(isinstance(part, TaskAdapters) for part in transfers):
        raise ConfigError(
            "checkpoint_activations=True computes layers again after all tasks of a step, with the "
            "adapter of the last one. Leave it out, or use Mixing() without mixed=True and no "
            "balance='pcgrad'."
        )


def options_of(model: SharedModel, *, added: str | None = None) -> dict[str, Any]:
    """Return the constructor parameters of the model of each task.

    ``added`` is the name of a task that is added later. Its checkpoints get a folder of their own.
    """
    names = ("encoder", "training", "seed", "long_texts", "pair_encoding", "device")
    options = {name: getattr(model, name) for name in names}
    if added is not None and options["training"] is not None:
        folder = f"added-{fingerprint(added)[:12]}"
        options["training"] = in_subfolder(options["training"], folder)
    transfer = FullFineTune() if model.transfer is None else model.transfer
    options = with_objects({**options, "transfer": transfer})
    transfers_of(options["transfer"])
    return options


def mixing_of(model: SharedModel) -> Mixing:
    """Return the mixing of a model: how often each task is trained."""
    mixing = model.mixing or Mixing()
    return replace(mixing, mixed=True) if model.balance == "pcgrad" else mixing


def check_balance(name: str) -> None:
    """Check that a method to combine losses is known.

    Raises
    ------
    ConfigError
        If it is not known. The message suggests the nearest name.
    """
    if name not in BALANCES:
        raise ConfigError(f"balance={name!r} is not known. {suggest(str(name), BALANCES)}")


def check_metric(task: Task) -> None:
    """Check that the metric of a task can be computed, before anything is trained.

    Raises
    ------
    ConfigError
        If it cannot. The message suggests the nearest name.
    """
    from nlptl.evaluation.metrics import figures_of

    metrics = figures_of(numeric=task.kind == "regression")
    if task.metric not in metrics:
        raise ConfigError(
            f"metric={task.metric!r} cannot be computed for a task of kind {task.kind!r}. "
            f"{suggest(str(task.metric), metrics)}"
        )

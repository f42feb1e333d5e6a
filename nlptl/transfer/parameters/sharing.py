"""Transfers that give each of several tasks its own part of a shared encoder."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, NetworkResult, Transfer, WeightGroup
from nlptl.encoders.contextual.adapters import adapted, peft_config, quiet, taken_out
from nlptl.transfer.parameters.full import blocks_of
from nlptl.transfer.parameters.lora import LoRA

if TYPE_CHECKING:
    from torch import nn

_BASES = ("frozen", "trained")


@dataclass(frozen=True)
class PrivateLayers(Transfer):
    """Share the lower layers in ``MultiTaskModel`` and give each task its own upper layers [1]_.

    After training, each task has its own encoder, of which only these layers are stored. With one
    task, or outside ``MultiTaskModel``, the transfer does nothing.

    Parameters
    ----------
    layers : int
        Number of layers of each task, counted from the last.

    References
    ----------
    .. [1] Ruder, "An Overview of Multi-Task Learning in Deep Neural Networks", 2017,
       arXiv:1706.05098.
    """

    layers: int = 1

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Ruder 2017, arXiv:1706.05098"

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ConfigError(f"layers must be at least 1, got {self.layers}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Put one copy of the last layers per task into the encoder of a network.

        Raises
        ------
        ConfigError
            If the encoder has fewer layers, or some are not found by name.
        """
        network, n_tasks = context.network, context.n_tasks
        if n_tasks < 2:
            return BoundTransfer()
        blocks = blocks_of(network.encoder)
        n_needed = max(self.layers, context.n_layers)
        if len(blocks) < n_needed:
            raise ConfigError(
                f"PrivateLayers({self.layers}) needs an encoder with {n_needed} layers, got "
                f"{type(network.encoder).__name__} with {len(blocks)}. Use fewer private layers, "
                "or TaskAdapters()."
            )
        chosen = blocks[-self.layers :]
        for name in chosen:
            network.encoder.set_submodule(name, _copies_per_task(network.encoder, name, n_tasks))
        return _BoundLayers(network, chosen, n_tasks)


@dataclass(frozen=True, eq=False)
class _BoundLayers(BoundTransfer):
    network: Any
    blocks: list[str]
    n_tasks: int

    def finish(self) -> NetworkResult:
        """Return one encoder per task, with the layers of this task."""
        shared, tasks = self.network.encoder, range(self.n_tasks)
        layers = [{n: shared.get_submodule(n).parts[i] for n in self.blocks} for i in tasks]
        for name in self.blocks:  # so that no copy contains layers of other tasks
            shared.set_submodule(name, layers[0][name])
        encoders = {}
        for task in tasks:
            model = shared if not task else copy.deepcopy(shared)
            for name in self.blocks:
                model.set_submodule(name, layers[task][name])
            encoders[task] = (model, None)
        return NetworkResult(per_task=encoders)


@dataclass(frozen=True)
class TaskAdapters(Transfer):
    """Add one low-rank adapter per task to the shared encoder of ``MultiTaskModel`` [1]_.

    With one task, or outside ``MultiTaskModel``, the transfer does nothing.

    Parameters
    ----------
    rank : int
        Rank of the update of each layer.
    base : {"trained", "frozen"}
        ``"trained"`` trains the shared encoder on all tasks. ``"frozen"`` keeps it fixed.
    rate : float
        Factor on the learning rate of the adapters.

    References
    ----------
    .. [1] Stickland and Murray, "BERT and PALs: Projected Attention Layers for Efficient
       Adaptation in Multi-Task Learning", ICML 2019, arXiv:1902.02671.
    """

    rank: int = 16
    base: str = "trained"
    rate: float = 10.0

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Stickland and Murray 2019, arXiv:1902.02671"

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.rate > 0:
            raise ConfigError(
                "rank must be at least 1 and rate above 0, got "
                f"rank={self.rank} and rate={self.rate}."
            )
        if self.base not in _BASES:
            raise ConfigError(f"base={self.base!r} is not known. {suggest(str(self.base), _BASES)}")

    def bind(self, context: Context) -> BoundTransfer:
        """Insert one adapter per task into the encoder of a network.

        Raises
        ------
        ConfigError
            If peft cannot adapt this encoder with these settings.
        """
        network, n_tasks = context.network, context.n_tasks
        if n_tasks < 2:
            return BoundTransfer()
        names = [_name(index) for index in range(n_tasks)]
        fresh = tuple(f"{name}." for name in getattr(network.encoder, "fresh_modules", ()))
        settings = LoRA(self.rank).described(network.encoder) | {"inference_mode": False}
        settings.pop("modules_to_save", None)  # all tasks share the modules that start at random
        trained = {id(weight) for weight in network.encoder.parameters() if weight.requires_grad}
        model = adapted(network.encoder, peft_config(settings), name=names[0])
        for name in names[1:]:
            with quiet():
                model.add_adapter(name, peft_config(settings))
        layers = [part for part in model.modules() if hasattr(part, "lora_A")]
        for part in layers:
            for weight in (*part.lora_A.parameters(), *part.lora_B.parameters()):
                weight.requires_grad_(True)
        for name, weight in network.encoder.named_parameters():
            if id(weight) in trained:
                weight.requires_grad_(self.base == "trained" or name.startswith(fresh))
        network.encoder.add_module("switch", _switch(layers))
        return _BoundAdapters(self, network, model, n_tasks)


@dataclass(frozen=True, eq=False)
class _BoundAdapters(BoundTransfer):
    spec: TaskAdapters
    network: Any
    model: Any
    n_tasks: int

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the adapters and the other weights; the adapters are trained faster."""
        adapters = [name for name in names if ".lora_" in name]
        others = [name for name in names if ".lora_" not in name]
        return [WeightGroup(adapters, self.spec.rate), WeightGroup(others)]

    def finish(self) -> NetworkResult:
        """Return the shared encoder, and a copy per task with the adapter of the task merged in."""
        adapters = [taken_out(self.model, name=_name(task)) for task in range(self.n_tasks)]
        with quiet():
            base = self.model.unload()
        del base.switch
        encoders = {
            task: (adapter.merged_into(copy.deepcopy(base)), adapter)
            for task, adapter in enumerate(adapters)
        }
        return NetworkResult(base.eval(), per_task=encoders)


def _name(index: int) -> str:
    return f"task{index}"


def _copies_per_task(encoder: nn.Module, name: str, n_tasks: int) -> Any:
    """Return a module that holds one copy of a layer per task."""
    from torch import nn

    class CopiesPerTask(nn.Module):
        """Layer of the encoder with a separate copy per task."""

        def __init__(self, parts: list[nn.Module]) -> None:
            super().__init__()
            self.parts, self.active = nn.ModuleList(parts), 0

        def choose_task(self, index: int) -> None:
            self.active = index

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.parts[self.active](*args, **kwargs)

    block = encoder.get_submodule(name)
    return CopiesPerTask([block, *(copy.deepcopy(block) for _ in range(n_tasks - 1))])


def _switch(layers: list[nn.Module]) -> Any:
    """Return a module without weights that activates the adapter of one task."""
    from torch import nn

    class Switch(nn.Module):
        """Module that activates the adapter of one task in all adapted layers."""

        def __init__(self, layers: list[nn.Module]) -> None:
            super().__init__()
            # In a list, because torch must not register them as parts of this module.
            self.layers: list[list[Any]] = [layers]

        def choose_task(self, index: int) -> None:
            for layer in self.layers[0]:
                with _same_trained_weights(layer):
                    layer.set_adapter(_name(index))

    return Switch(layers)


@contextmanager
def _same_trained_weights(layer: nn.Module) -> Iterator[None]:
    """Restore ``requires_grad`` at the end, because peft sets it for the active adapter only."""
    flags = {weight: weight.requires_grad for weight in layer.parameters()}
    yield
    for weight, flag in flags.items():
        weight.requires_grad_(flag)

"""What each of several tasks has to itself inside the encoder that they share."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, NetworkResult, Transfer
from nlptl.encoders.contextual.adapters import adapted, peft_config, quiet, taken_out
from nlptl.transfer.parameters.full import blocks_of
from nlptl.transfer.parameters.lora import LoRA

_BASES = ("frozen", "trained")


@dataclass(frozen=True)
class PrivateLayers(Transfer):
    """Let ``MultiTaskModel`` share the lower layers, and give each task its own upper ones [1]_.

    Each task then has an encoder of its own to be read by, of which only those layers are stored.
    With one task, or outside ``MultiTaskModel``, nothing is done.

    Parameters
    ----------
    layers : int
        So many of the last layers.

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
        """Put a copy of the last layers a task into the encoder of a network.

        Raises
        ------
        ConfigError
            If the encoder does not have so many layers, or they are not found.
        """
        network, n_tasks = context.network, context.n_tasks
        if n_tasks < 2:
            return BoundTransfer()
        blocks = blocks_of(network.encoder)
        if len(blocks) < max(self.layers, context.n_layers):
            raise ConfigError(
                f"PrivateLayers({self.layers}) finds {len(blocks)} layers in "
                f"{type(network.encoder).__name__}."
            )
        chosen = blocks[-self.layers :]
        for name in chosen:
            network.encoder.set_submodule(name, _each_its_own(network.encoder, name, n_tasks))
        return _BoundLayers(network, chosen, n_tasks)


@dataclass(frozen=True, eq=False)
class _BoundLayers(BoundTransfer):
    network: Any
    blocks: list[str]
    n_tasks: int

    def finish(self) -> NetworkResult:
        """Return an encoder per task that has the layers of this task."""
        shared, tasks = self.network.encoder, range(self.n_tasks)
        layers = [{n: shared.get_submodule(n).parts[i] for n in self.blocks} for i in tasks]
        for name in self.blocks:  # so that no copy holds the layers of the other tasks
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
    """Let ``MultiTaskModel`` give each task a low-rank adapter beside the shared encoder [1]_.

    With one task, or outside ``MultiTaskModel``, nothing is done.

    Parameters
    ----------
    rank : int
        Of the change of each layer.
    base : {"trained", "frozen"}
        Whether the encoder itself learns from all tasks, or stays as it came.
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
                f"rank must be at least 1 and rate above 0, got {self.rank} and {self.rate}."
            )
        if self.base not in _BASES:
            raise ConfigError(f"base={self.base!r} is not known. {suggest(str(self.base), _BASES)}")

    def bind(self, context: Context) -> BoundTransfer:
        """Put an adapter a task into the encoder of a network.

        Raises
        ------
        ConfigError
            If peft cannot adapt this encoder so.
        """
        network, n_tasks = context.network, context.n_tasks
        if n_tasks < 2:
            return BoundTransfer()
        names = [_name(place) for place in range(n_tasks)]
        fresh = tuple(f"{name}." for name in getattr(network.encoder, "fresh_modules", ()))
        described = LoRA(self.rank).described(network.encoder) | {"inference_mode": False}
        described.pop("modules_to_save", None)  # what starts at random is learnt by all tasks
        learnt = {id(weight) for weight in network.encoder.parameters() if weight.requires_grad}
        model = adapted(network.encoder, peft_config(described), name=names[0])
        for name in names[1:]:
            with quiet():
                model.add_adapter(name, peft_config(described))
        layers = [part for part in model.modules() if hasattr(part, "lora_A")]
        for part in layers:
            for weight in (*part.lora_A.parameters(), *part.lora_B.parameters()):
                weight.requires_grad_(True)
        for name, weight in network.encoder.named_parameters():
            if id(weight) in learnt:
                weight.requires_grad_(self.base == "trained" or name.startswith(fresh))
        network.encoder.add_module("switch", _switch(layers))
        return _BoundAdapters(self, network, model, n_tasks)


@dataclass(frozen=True, eq=False)
class _BoundAdapters(BoundTransfer):
    spec: TaskAdapters
    network: Any
    model: Any
    n_tasks: int

    def rate(self, name: str) -> float:
        """Let adapters learn faster than what lies below them."""
        return self.spec.rate if ".lora_" in name else 1.0

    def finish(self) -> NetworkResult:
        """Return the shared encoder, and one per task with its adapter merged in."""
        adapters = [taken_out(self.model, name=_name(task)) for task in range(self.n_tasks)]
        with quiet():
            base = self.model.unload()
        del base.switch
        encoders = {
            task: (adapter.merged_into(copy.deepcopy(base)), adapter)
            for task, adapter in enumerate(adapters)
        }
        return NetworkResult(base.eval(), per_task=encoders)


def _name(place: int) -> str:
    return f"task{place}"


def _each_its_own(encoder: Any, name: str, n_tasks: int) -> Any:
    """Make the block that stands for as many as there are tasks."""
    from torch import nn

    class EachItsOwn(nn.Module):
        """A block of the encoder, of which each task has its own copy."""

        def __init__(self, parts: list[Any]) -> None:
            super().__init__()
            self.parts, self.active = nn.ModuleList(parts), 0

        def choose_task(self, place: int) -> None:
            self.active = place

        def forward(self, *given: Any, **named: Any) -> Any:
            return self.parts[self.active](*given, **named)

    block = encoder.get_submodule(name)
    return EachItsOwn([block, *(copy.deepcopy(block) for _ in range(n_tasks - 1))])


def _switch(layers: list[Any]) -> Any:
    """Make the module that lets one adapter work at a time; it has no weights."""
    from torch import nn

    class Switch(nn.Module):
        """Which adapter works."""

        def __init__(self, layers: list[Any]) -> None:
            super().__init__()
            self.layers = [layers]  # in a list: they are parts of the encoder, and not of this

        def choose_task(self, place: int) -> None:
            for layer in self.layers[0]:
                with _learning_as_before(layer):
                    layer.set_adapter(_name(place))

    return Switch(layers)


@contextmanager
def _learning_as_before(layer: Any) -> Iterator[None]:
    """Undo that peft lets only the adapter learn that it lets work."""
    learns = {weight: weight.requires_grad for weight in layer.parameters()}
    yield
    for weight, wanted in learns.items():
        weight.requires_grad_(wanted)

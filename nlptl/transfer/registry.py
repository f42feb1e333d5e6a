"""The list of all transfer methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlptl.transfer.automatic import Auto
from nlptl.transfer.features import Contrastive, Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation
from nlptl.transfer.instances import SelfTraining, SourceRows, WordEdits
from nlptl.transfer.parameters import L2SP, FullFineTune, LoRA, PrivateLayers, TaskAdapters
from nlptl.transfer.relations import LabelMeaning


@dataclass(frozen=True)
class Method:
    """One transfer method.

    Attributes
    ----------
    name : str
        The name of the method everywhere: on the command line, in YAML files, in what ``Auto``
        reports, and in tables.
    kind : type
        Its class. What the method needs (``needs``) and whether it trains the encoder
        (``trains_encoder``) are attributes of the class.
    prior_gain : (float, float) or None
        Accuracy gained over the frozen encoder with 8 labels per class on six other data sets:
        mean, and standard deviation between data sets, by
        ``recipes/benchmarks/gate.py --only experience``. The spread of ``"contrastive"`` was set
        before by another measurement, and is 0.07 by this one.
    accepts : frozenset of str
        What ``fit`` may be given for it in addition to what it needs.
    on_command_line : bool
        True if ``--transfer`` takes it.
    """

    name: str
    kind: Any
    prior_gain: tuple[float, float] | None = None
    accepts: frozenset[str] = frozenset()
    on_command_line: bool = True

    @property
    def trains_encoder(self) -> bool:
        """True if weights of the encoder change, or may change: checkpoints are written."""
        return bool(self.kind.trains_encoder)


METHODS = (
    Method("frozen", Frozen),
    Method("meaning", LabelMeaning, prior_gain=(0.05, 0.06)),
    Method("contrastive", Contrastive, prior_gain=(0.06, 0.06)),
    Method("distillation", LanguageDistillation, on_command_line=False),
    Method("edits", WordEdits, prior_gain=(-0.005, 0.01)),
    Method("selftraining", SelfTraining, prior_gain=(0.01, 0.02)),
    Method("source", SourceRows),
    Method("full", FullFineTune),
    Method("lora", LoRA),
    Method("l2sp", L2SP),
    Method("private", PrivateLayers),
    Method("adapters", TaskAdapters),
    Method("auto", Auto, accepts=frozenset({"unlabeled"})),
)
"""Every transfer method: the only list. Config, command line, saving, docs and Auto read it."""


def method_of(transfer: Any) -> Method | None:
    """Return the record of a transfer, or None if it is not in the list."""
    return next((method for method in METHODS if method.kind is type(transfer)), None)


def methods_by_name() -> dict[str, Method]:
    """Return all records by name."""
    return {method.name: method for method in METHODS}

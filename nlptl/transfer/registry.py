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
        Its class. What the method needs is an attribute of the class (``needs``).
    trains_encoder : bool
        True if weights of the encoder change, or may change, so that checkpoints are written.
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
    trains_encoder: bool = False
    prior_gain: tuple[float, float] | None = None
    accepts: frozenset[str] = frozenset()
    on_command_line: bool = True


METHODS = (
    Method("frozen", Frozen),
    Method("meaning", LabelMeaning, prior_gain=(0.05, 0.06)),
    Method("contrastive", Contrastive, trains_encoder=True, prior_gain=(0.06, 0.06)),
    Method("distillation", LanguageDistillation, trains_encoder=True, on_command_line=False),
    Method("edits", WordEdits, prior_gain=(-0.005, 0.01)),
    Method("selftraining", SelfTraining, prior_gain=(0.01, 0.02)),
    Method("source", SourceRows),
    Method("full", FullFineTune, trains_encoder=True),
    Method("lora", LoRA, trains_encoder=True),
    Method("l2sp", L2SP, trains_encoder=True),
    Method("private", PrivateLayers, trains_encoder=True),
    Method("adapters", TaskAdapters, trains_encoder=True),
    Method("auto", Auto, trains_encoder=True, accepts=frozenset({"unlabeled"})),
)
"""Every transfer method: the only list. Config, command line, saving, docs and Auto read it."""


def method_of(transfer: Any) -> Method | None:
    """Return the record of a transfer, or None if it is not in the list."""
    return next((method for method in METHODS if method.kind is type(transfer)), None)


def methods_by_name() -> dict[str, Method]:
    """Return all records by name."""
    return {method.name: method for method in METHODS}

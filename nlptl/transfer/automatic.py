"""Automatic choice of a transfer from the labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.transfer.relations.label_meaning import LabelMeaning


@dataclass(frozen=True)
class Auto(Transfer):
    """Try several transfer methods within a time budget and keep those that pass cross-validation.

    The search starts from the frozen encoder and tries these methods in turn:

    - class names as extra training texts (``LabelMeaning``)
    - tuning with a contrastive loss (``Contrastive``), with up to 1,000 rows
    - edited copies of the texts (``WordEdits``)
    - unlabelled texts (``SelfTraining``), if ``fit`` receives them
    - training of all weights (``FullFineTune``), from 300 rows

    A method is tried on paired splits of the labelled rows, which are repeated if time allows. The
    result is combined with the gains of the method on other data. The method is kept if the
    expected gain is not negative.

    If the time is short, contrastive tuning makes fewer passes over the rows. A method that the
    budget has no time to try is left out. If there is time for a single fit, it is used without a
    trial where prior results support it. Class names are always used if a class
    has no rows. Without any rows, self-training is used as well if there are unlabelled texts.

    ``model.transfer_verdict_`` reports what was tried. Row weights count in the last fit, but not
    in the trials. What fits into the budget depends on the machine, so another run may choose
    differently.

    Parameters
    ----------
    budget_seconds : float
        Time for everything, including the last fit, in seconds; above 0. Times are predicted from
        a few forward passes, so the limit is approximate. A trial that takes longer is judged by
        fewer splits.
    names : mapping or sequence of (label, text), optional
        Descriptions of the labels, as in ``LabelMeaning``.
    """

    budget_seconds: float = 60.0
    names: Any = ()

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "whatever helps"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset()
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "no paper: a search among the other methods"

    def __post_init__(self) -> None:
        if not self.budget_seconds > 0:
            raise ConfigError(f"budget_seconds must be above 0, got {self.budget_seconds}.")
        object.__setattr__(self, "names", LabelMeaning(self.names).names)

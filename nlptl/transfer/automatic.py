"""A transfer that is chosen by the labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.transfer.relations.label_meaning import LabelMeaning


@dataclass(frozen=True)
class Auto(Transfer):
    """Whichever transfer the labelled rows at hand speak for, within a budget of time.

    It begins with the encoder as it is, and adds one thing after the other: what the names of the
    classes mean, texts of a class drawn together (up to 1,000 rows), edited copies of the texts,
    texts without labels where ``fit`` is given some, all weights tuned (from 300 rows). Each has
    to pass a gate: paired splits of the rows at hand (repeated, where there is time), weighed
    against what it gained on other data, speak of no loss. What the budget has no time to try is
    left out, or, where a single fit fits in, taken where experience speaks for it. Names of classes
    without a row are always used, and, without any row, self-training where there are texts for
    it. ``model.transfer_verdict_`` says what was tried. Weights of rows count in the last fit, not
    in the trials. What fits into the budget depends on the machine: another run may choose
    otherwise.

    Parameters
    ----------
    budget_seconds : float
        For all of it, the last fit included; above 0. It is kept to as far as times can be
        foretold from a few forward passes; a trial that takes longer is judged by fewer splits.
    names : mapping or sequence of (label, text), optional
        What labels mean, as in ``LabelMeaning``.
    """

    budget_seconds: float = 60.0
    names: Any = ()

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "whatever helps"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset()
    paper: ClassVar[str] = "no paper: a search among the other methods"

    def __post_init__(self) -> None:
        if not self.budget_seconds > 0:
            raise ConfigError(f"budget_seconds must be above 0, got {self.budget_seconds}.")
        object.__setattr__(self, "names", LabelMeaning(self.names).names)

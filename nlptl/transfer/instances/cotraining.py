"""Two or more views of each text that label unlabelled texts for each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import Transfer

CLASS_SHARES = ("labelled", "estimated")
TEACHERS = ("auto", "others", "all")


@dataclass(frozen=True)
class CoTraining(Transfer):
    """Let word counts and sentence vectors label unlabelled texts for each other [1]_.

    Each part of a ``FusedEncoder`` is a view of the text and has its own linear head. In each
    round, a view is fitted to the labelled rows and to the unlabelled texts that the other views
    are most confident about. The views make different mistakes, so each gains from the
    others. The final head adds the heads of all views.

    Pass the unlabelled texts to ``fit`` as ``unlabeled``. On review sentiment from another domain
    it gained more than ``SelfTraining``, in which one head labels the texts for itself
    (docs/domains.md).

    Parameters
    ----------
    share : tuple of float
        Share of the unlabelled texts that each round uses, the most confident first; above 0 and at
        most 1.
    weight : float
        Weight of these texts together, relative to all labelled rows; above 0.
    class_shares : {"labelled", "estimated"}
        Shares of the classes among the texts that a round uses. ``"labelled"``: those of the
        labelled rows. ``"estimated"``: estimated from the unlabelled texts by EM, within a factor
        of 2 of those of the labelled rows. An estimate within a factor of 1.3 counts as no shift.
    teachers : {"auto", "others", "all"}
        Views that label the texts for a view. ``"others"``: all others. ``"all"``: this view, too,
        which is better if one view is much stronger than the others. ``"auto"``: ``"all"`` after
        ``FineTuneFirst``, ``"others"`` without it.

    References
    ----------
    .. [1] Blum and Mitchell, "Combining Labeled and Unlabeled Data with Co-Training", COLT 1998.
    """

    share: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    weight: float = 1.0
    class_shares: str = "estimated"
    teachers: str = "auto"

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs"})
    paper: ClassVar[str] = "Blum and Mitchell 1998, COLT"

    def __post_init__(self) -> None:
        if not isinstance(self.share, list | tuple):
            raise ConfigError(f"share must have a number for each round, got {self.share!r}.")
        object.__setattr__(self, "share", tuple(self.share))
        if not self.share or not all(0 < share <= 1 for share in self.share):
            raise ConfigError(f"share must hold numbers above 0 and at most 1, got {self.share}.")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")
        for name, values in (("class_shares", CLASS_SHARES), ("teachers", TEACHERS)):
            value = getattr(self, name)
            if value not in values:
                raise ConfigError(f"{name}={value!r} is not known. {suggest(str(value), values)}")

    def labelled_by_all(self, *, tuned: bool) -> bool:
        """Return True if a view also labels texts for itself, with a tuned encoder or without."""
        return self.teachers == "all" or (self.teachers == "auto" and tuned)

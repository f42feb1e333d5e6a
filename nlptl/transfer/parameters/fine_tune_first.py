"""Fine-tune the encoder on the labelled rows before the other transfers use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer


@dataclass(frozen=True)
class FineTuneFirst(Transfer):
    """Tune the encoder on the labelled rows first; the other transfers then use it frozen [1]_.

    The encoder is trained together with a head on all labelled rows, those of the source included.
    This head is discarded. The other transfers of the list, or a new head alone, then work on
    frozen features of the new encoder, together with word counts if the encoder is a
    ``FusedEncoder``, of which the first transformer is tuned. ``TrainingConfig`` sets the
    training. The probabilities get the confidence of the discarded head, which is calibrated on
    held-out rows.

    For another domain: ``TextClassifier(transfer=FineTuneFirst())`` with ``source`` and
    ``unlabeled`` adds ``MeanAlignment`` and ``CoTraining``, and word counts to the encoder. The
    figures are in docs/domains.md. Without another transfer after it, use ``FullFineTune`` or
    ``LoRA``.

    Parameters
    ----------
    adapter : bool
        True trains a low-rank adapter, which is then merged, instead of all weights. For another
        rank, use ``LoRA`` alone.

    References
    ----------
    .. [1] Phang, Févry and Bowman, "Sentence Encoders on STILTs: Supplementary Training on
       Intermediate Labeled-data Tasks", 2018, arXiv:1811.01088.
    """

    adapter: bool = False

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Phang et al. 2018, arXiv:1811.01088"

    def __post_init__(self) -> None:
        if not isinstance(self.adapter, bool):
            raise ConfigError(f"adapter must be True or False, got {self.adapter!r}.")

    @property
    def runs_first(self) -> bool:
        """True: the encoder is tuned before everything else."""
        return True

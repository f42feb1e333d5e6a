"""Old place of ``judge``, which still works: use ``from nlptl import judge``."""

from __future__ import annotations

import warnings

from nlptl.evaluation.judge import Splits, judge
from nlptl.evaluation.verdict import HELPS, HURTS, UNCLEAR, Verdict

warnings.warn(
    "nlptl.evaluation.gate is called nlptl.evaluation.judge now: from nlptl import judge.",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = ["HELPS", "HURTS", "UNCLEAR", "Splits", "Verdict", "judge"]

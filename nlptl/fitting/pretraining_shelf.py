"""Pretrained encoders that several fits of a process share."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.storage.hashing import fingerprint
from nlptl.training.history import History

_MAX_KEPT = 2


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Result of a pretraining.

    Attributes
    ----------
    weights : LoadedEncoder
        Only the weights: fits with the same pretraining may pool them in different ways.
    history : History
    """

    weights: LoadedEncoder
    history: History


@dataclass
class Shelf:
    """The results of the last pretrainings of this process.

    Pretraining does not depend on the labels. So the fits of a cross-validation, of ``judge`` or
    of a grid search share it.
    """

    results: OrderedDict[str, Pretrained] = field(default_factory=OrderedDict)
    lock: Any = field(default_factory=RLock)

    def get(self, settings: Mapping[str, Any]) -> Pretrained | None:
        """Return the result of a pretraining with a history of its own, or None."""
        key = fingerprint(dict(settings))
        with self.lock:
            if key not in self.results:
                return None
            self.results.move_to_end(key)
            result = self.results[key]
            return replace(result, history=copy.deepcopy(result.history))

    def put(self, settings: Mapping[str, Any], result: Pretrained) -> None:
        """Keep a result, and remove the oldest one if there are too many."""
        with self.lock:
            kept = replace(result, history=copy.deepcopy(result.history))
            self.results[fingerprint(dict(settings))] = kept
            while len(self.results) > _MAX_KEPT:
                self.results.popitem(last=False)


SHELF = Shelf()

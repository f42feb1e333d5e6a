"""Figures of transfers on rows that they keep back from training. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from nlptl.base.transfer import BoundTransfer
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Objective

_SEED = 0
"""Seed of the hidden tokens. It is the same in all runs, so that their figures are comparable."""


def figures_of(
    objective: Objective, config: LoopConfig
) -> Callable[[], Mapping[str, float]] | None:
    """Return a function that computes the figures of all transfers, or None without held-back rows.

    Parameters
    ----------
    objective : Objective
    config : LoopConfig
        Its number of rows per batch.
    """
    keeping = [transfer for transfer in objective.transfers if transfer.held_back()]
    if not keeping:
        return None
    where = next(objective.parameters()).device
    feeds = [TextFeed(t.held_back(), config, _SEED, 0, 1, where) for t in keeping]
    return partial(_measured, objective, list(zip(keeping, feeds, strict=True)))


def _measured(
    objective: Objective, watched: list[tuple[BoundTransfer, TextFeed]]
) -> Mapping[str, float]:
    """Return the means of the figures over all held-back rows."""
    was_training = objective.training
    objective.eval()
    means: dict[str, float] = {}
    with torch.no_grad():
        for transfer, feed in watched:
            means |= _means(objective, transfer, feed)
    objective.train(was_training)
    return means


def _means(objective: Objective, transfer: BoundTransfer, feed: TextFeed) -> dict[str, float]:
    names, n_rows = list(feed.streams), len(feed.rows(next(iter(feed.streams))))
    sums: dict[str, float] = {}
    n_batches = -(-n_rows // feed.config.batch_size)  # of equal size: none has a single row
    for some in np.array_split(np.arange(n_rows), n_batches):
        outputs = {name: objective.outputs(feed.batch(name, some)) for name in names}
        for name, figure in transfer.figures(outputs).items():
            sums[name] = sums.get(name, 0.0) + figure * len(some)
    return {name: total / n_rows for name, total in sums.items()}

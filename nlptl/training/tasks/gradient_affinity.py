"""Whether tasks want the weights they share to go the same way. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import torch_seed
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Batch
from nlptl.training.tasks.task_feed import TasksFeed
from nlptl.training.tasks.task_objective import TasksObjective

_ROWS_PER_PROBE = 32


def probes(feed: TasksFeed) -> dict[str, Batch]:
    """Give some rows of each task, always the same, as one batch."""
    found = {}
    for name, rows in feed.tasks.items():
        some = np.sort(np.random.default_rng(feed.seed).permutation(len(rows))[:_ROWS_PER_PROBE])
        whole = TextFeed({name: rows}, feed.config, feed.seed, 0, 1, feed.where)
        found[name] = whole.batch(name, some)
    return found


def cosines(objective: TasksObjective, batches: Mapping[str, Batch]) -> FloatArray:
    """Give the cosine of each two tasks' gradients on the weights they share: (n, n).

    Nothing is dropped out, so that the state of chance stays as it is. Tasks that share no
    weight that learns have a cosine of 0.

    Parameters
    ----------
    objective : TasksObjective
    batches : mapping of str to Batch
        Of every task, in their order.
    """
    weights = [w for w in objective.network.encoder.parameters() if w.requires_grad]
    if not weights:
        return np.eye(len(batches))
    was_training = objective.training
    objective.eval()
    found = [_gradient(objective, name, batch, weights) for name, batch in batches.items()]
    objective.train(was_training)
    shared = [all(own[i] is not None for own in found) for i in range(len(weights))]
    if not any(shared):
        return np.eye(len(found))
    flat = torch.stack(
        [
            torch.cat([g.flatten().float() for g, s in zip(own, shared, strict=True) if s])
            for own in found
        ]
    )
    unit = torch.nn.functional.normalize(flat, dim=1)
    matrix: FloatArray = (unit @ unit.T).double().cpu().numpy()
    return matrix


def _gradient(
    objective: TasksObjective, name: str, batch: Batch, weights: list[torch.Tensor]
) -> tuple[Any, ...]:
    # Seeded, so that a language model hides the same words.
    with torch_seed(0), torch.enable_grad():
        loss = objective.loss_of(name, objective.outputs(name, batch))
        return torch.autograd.grad(loss, weights, allow_unused=True)

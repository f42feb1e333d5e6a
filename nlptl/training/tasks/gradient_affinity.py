"""Similarity of the tasks' gradients on their shared weights. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import FloatArray
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Batch
from nlptl.training.tasks.task_feed import TasksFeed
from nlptl.training.tasks.task_objective import TasksObjective

_ROWS_PER_PROBE = 32


def probes(feed: TasksFeed) -> dict[str, Batch]:
    """Return one batch of fixed rows per task; the rows depend only on the seed."""
    batches = {}
    for name, rows in feed.tasks.items():
        row_numbers = np.sort(
            np.random.default_rng(feed.seed).permutation(len(rows))[:_ROWS_PER_PROBE]
        )
        unsplit = TextFeed({name: feed.stream(name)}, feed.config, feed.seed, 0, 1, feed.where)
        batches[name] = unsplit.batch(name, row_numbers)
    return batches


def cosines(objective: TasksObjective, batches: Mapping[str, Batch]) -> FloatArray:
    """Return the cosine similarities of the tasks' gradients, of shape (n_tasks, n_tasks).

    Only trainable weights that all tasks share count. Without such weights, the cosine of two
    tasks is 0. Dropout is off, so that the state of the random generators does not change.

    Parameters
    ----------
    objective : TasksObjective
    batches : mapping of str to Batch
        One batch of every task, in the order of the tasks.
    """
    weights = [w for w in objective.network.encoder.parameters() if w.requires_grad]
    if not weights:
        return np.eye(len(batches))
    was_training = objective.training
    objective.eval()
    gradients = [_gradient(objective, name, batch, weights) for name, batch in batches.items()]
    objective.train(was_training)
    shared = [all(of_task[i] is not None for of_task in gradients) for i in range(len(weights))]
    if not any(shared):
        return np.eye(len(gradients))
    flat = torch.stack(
        [
            torch.cat([g.flatten().float() for g, s in zip(of_task, shared, strict=True) if s])
            for of_task in gradients
        ]
    )
    unit = torch.nn.functional.normalize(flat, dim=1)
    matrix: FloatArray = (unit @ unit.T).double().cpu().numpy()
    return matrix


def _gradient(
    objective: TasksObjective, name: str, batch: Batch, weights: list[torch.Tensor]
) -> tuple[Any, ...]:
    with torch.enable_grad():
        loss = objective.loss_of(name, objective.outputs(name, batch))
        return torch.autograd.grad(loss, weights, allow_unused=True)

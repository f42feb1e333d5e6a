"""Fit a head to features, either with its own method or as a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features, SolverHead
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.solver_fit import fit_solver, learn_decision, undecided, weigh_rows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.feature_network import NetworkRecipe, fit_network


@dataclass(frozen=True)
class TrainingPlan:
    """Settings for fitting a head, either with its ``fit`` method or as a network.

    Attributes
    ----------
    config : LoopConfig
        Settings of the training loop, for networks.
    imbalance : Imbalance or None
        Treatment of rare classes.
    seed : int
    device : str or None
    unseen : bool
        True if the features do not depend on the labels.
    """

    config: LoopConfig
    imbalance: Imbalance | None
    seed: int
    device: str | None
    unseen: bool = True


def fit_solver_scorer(
    head: SolverHead, X: Features, targets: Targets, plan: TrainingPlan
) -> FittedHead:
    """Fit a head that has its own ``fit`` method, and its decision."""
    fitted, decision = fit_solver(
        head, X, targets, imbalance=plan.imbalance, seed=plan.seed, unseen=plan.unseen
    )
    return FittedHead(head, fitted, decision)


def fit_network_scorer(
    recipe: NetworkRecipe, X: FloatArray, targets: Targets, plan: TrainingPlan
) -> FittedHead:
    """Train a head as a network, together with its fusion if the recipe has one."""
    weighed = targets if targets.several else weigh_rows(targets, plan.imbalance)
    # If the features depend on the labels, held-out rows cannot show when to stop.
    config = plan.config if plan.unseen else replace(plan.config, validation_share=0.0)
    result = fit_network(recipe, X, weighed, config=config, seed=plan.seed, device=plan.device)
    decision = undecided(targets, plan.imbalance)
    if result.held_out is not None:
        rows, logits = result.held_out
        decision = learn_decision(logits, targets.take(rows), plan.imbalance)
    return FittedHead(recipe.head, result.network, decision, recipe, result.history)

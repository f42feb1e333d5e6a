"""A fitted head, of whichever kind, with the way to read its logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.described import entry, make
from nlptl.base.protocols import Features
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.fused import ResidualFusion
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.registry import (
    describe_head,
    make_head,
    restore_solver,
    sizes_of,
    solver_arrays,
)
from nlptl.heads.solver_fit import fit_solver, learn_decision, logits_of, undecided, weigh_rows
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History
from nlptl.training.networks.feature_network import NetworkRecipe, fit_network
from nlptl.transfer.features.frozen import TextFeatures


@dataclass(frozen=True)
class TrainingPlan:
    """How a head is fitted, whatever it is.

    Attributes
    ----------
    config : LoopConfig
        For networks.
    imbalance : Imbalance or None
        How rare classes are treated.
    seed : int
    device : str or None
    unseen : bool
        Whether what gives the features has not seen the labels.
    """

    config: LoopConfig
    imbalance: Imbalance | None
    seed: int
    device: str | None
    unseen: bool = True


@dataclass(frozen=True, eq=False)
class FittedModel:
    """Everything that a model learnt.

    Attributes
    ----------
    codec : LabelCodec or NumberScale
        From answers to codes and back.
    features : TextFeatures
        From rows to features.
    scorer : FittedHead
        From features to probabilities.
    probe : Rows
        A few rows, to check a saved model on.
    """

    codec: Any
    features: TextFeatures
    scorer: FittedHead
    probe: Rows


@dataclass(frozen=True, eq=False)
class FittedHead:
    """From features to probabilities.

    Attributes
    ----------
    head : head
        The spec.
    fitted : object
        What was learnt from it.
    decision : Decision
        How logits are read.
    recipe : NetworkRecipe or None
        What the network is made of, where it is one.
    history : History or None
        How its training went.
    """

    head: Any
    fitted: Any
    decision: Decision
    recipe: NetworkRecipe | None = None
    history: History | None = None

    def logits(self, features: Features) -> FloatArray:
        """Give what the head says, (n, n_outputs), before the decision reads it."""
        return logits_of(self.fitted, features)

    def probabilities(self, features: Features) -> FloatArray:
        """Give probabilities of shape (n, n_classes)."""
        return self.decision.probabilities(self.logits(features))

    def describe(self) -> dict[str, Any]:
        """Give all but the learnt arrays as plain JSON."""
        return {
            "head": describe_head(self.head),
            "decision": self.decision.to_json(),
            "network": None if self.recipe is None else _describe_recipe(self.recipe),
        }

    def arrays(self) -> dict[str, AnyArray]:
        """Give the learnt arrays by name."""
        if self.recipe is not None:
            learnt: dict[str, AnyArray] = self.fitted.arrays()
            return learnt
        return solver_arrays(self.fitted)

    @classmethod
    def restore(cls, described: Any, arrays: dict[str, AnyArray], *, codec: Any) -> FittedHead:
        """Build the scorer that ``describe`` and ``arrays`` described.

        Raises
        ------
        ValueError
            If the arrays do not fit the description, or the outputs are not those of ``codec``.
        """
        head, decision = make_head(described["head"]), Decision.from_json(described["decision"])
        _check_decision(decision, codec)
        if described["network"] is None:
            empty = make_head(described["head"])
            fitted = restore_solver(empty, arrays, several=decision.thresholds is not None)
            if sizes_of(fitted)[1] != codec.n_outputs:
                raise ValueError(f"{sizes_of(fitted)[1]} outputs, expected {codec.n_outputs}")
            return cls(head, fitted, decision)
        recipe = _make_recipe(head, described["network"], n_outputs=codec.n_outputs)
        return cls(head, recipe.restore(arrays), decision, recipe)

    @property
    def n_features(self) -> int | None:
        """Features that it takes; None where it takes any number."""
        if self.recipe is not None:
            return sum(width for _, width in self.recipe.groups)
        return sizes_of(self.fitted)[0]


def fit_solver_scorer(head: Any, X: Features, targets: Targets, plan: TrainingPlan) -> FittedHead:
    """Fit a head that solves for itself."""
    fitted, decision = fit_solver(
        head, X, targets, imbalance=plan.imbalance, seed=plan.seed, unseen=plan.unseen
    )
    return FittedHead(head, fitted, decision)


def fit_network_scorer(
    recipe: NetworkRecipe, X: FloatArray, targets: Targets, plan: TrainingPlan
) -> FittedHead:
    """Train a head, and a fusion where there is one, with the training loop."""
    weighed = targets if targets.several else weigh_rows(targets, plan.imbalance)
    # Rows that the features come from could not tell how long to train.
    config = plan.config if plan.unseen else replace(plan.config, validation_share=0.0)
    done = fit_network(recipe, X, weighed, config=config, seed=plan.seed, device=plan.device)
    decision = undecided(targets, plan.imbalance)
    if done.held_out is not None:
        rows, logits = done.held_out
        decision = learn_decision(logits, targets.take(rows), plan.imbalance)
    return FittedHead(recipe.head, done.network, decision, recipe, done.history)


def _check_decision(decision: Decision, codec: Any) -> None:
    """Compare a decision with the answers that it is to choose among."""
    several = getattr(codec, "form", "single") != "single"
    if several != (decision.thresholds is not None):
        raise ValueError(f"thresholds {decision.thresholds} for {codec}")
    for part in (decision.offsets, decision.thresholds):
        if part is not None and len(part) != codec.n_outputs:
            raise ValueError(f"{len(part)} offsets or thresholds for {codec.n_outputs} classes")


def _describe_recipe(recipe: NetworkRecipe) -> dict[str, Any]:
    fusion = recipe.fusion
    return {
        "groups": [list(group) for group in recipe.groups],
        "n_outputs": recipe.n_outputs,
        "fusion": fusion.get_params() if isinstance(fusion, ResidualFusion) else None,
    }


def _make_recipe(head: Any, described: Any, *, n_outputs: int) -> NetworkRecipe:
    fusion = described["fusion"]
    groups = entry(described, "groups", tuple[tuple[str, int], ...])
    made = None if fusion is None else make(ResidualFusion, fusion)
    if not hasattr(head, "build") or entry(described, "n_outputs", int) != n_outputs:
        raise ValueError(
            f"{type(head).__name__} with {described['n_outputs']} outputs, expected {n_outputs}"
        )
    return NetworkRecipe(head, made, groups, n_outputs)

"""A fitted head, of whichever kind, with the way to read its logits."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.described import entry, make
from nlptl.base.errors import InputError
from nlptl.base.protocols import Features
from nlptl.data.labels import check_lengths
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.cache import without_cache
from nlptl.encoders.fused import ResidualFusion
from nlptl.evaluation.class_metrics import ClassScore, class_scores, mean_rank_error
from nlptl.fitting.plan import rows_for
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.linear import OrdinalHead
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


@dataclass(frozen=True, eq=False)
class FittedModel:
    """Everything that a fit learned: from texts to labels or numbers.

    Attributes
    ----------
    codec : LabelCodec or NumberScale
        Turns answers into codes and back.
    features : TextFeatures
        Turns rows into features.
    scorer : FittedHead
        Turns features into probabilities or numbers.
    probe : Rows
        A few rows to check a saved model on.
    history : History or None
        How a network was trained.
    """

    codec: Any
    features: TextFeatures
    scorer: FittedHead
    probe: Rows
    history: History | None = None

    def rows(self, texts: Any) -> Rows:
        """Read texts, and refuse pairs where the model was trained on single texts.

        Raises
        ------
        InputError
            If they cannot be used.
        """
        rows = rows_for(self.features.encoder, texts)
        if rows.are_pairs != self.probe.are_pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.probe.are_pairs]}, got "
                f"{kinds[rows.are_pairs]}, the first being {rows[0]!r}."
            )
        return rows

    def outputs(self, texts: Any) -> FloatArray:
        """Return probabilities (n, n_classes), or numbers on their scale (n, 1)."""
        rows = self.rows(texts)
        # One text is encoded faster than a cache on disk is searched.
        with without_cache() if len(rows) == 1 else nullcontext():
            return self.outputs_of(self.features.transform(rows))

    def outputs_of(self, features: Features) -> FloatArray:
        """Return what ``outputs`` returns, from the features of the texts."""
        if self.codec.numeric:
            return self.scorer.logits(features)
        return self.scorer.probabilities(features)

    def decode(self, outputs: FloatArray) -> Any:
        """Return the labels or numbers that belong to ``outputs``."""
        if self.codec.numeric:
            return self.codec.decode(outputs[:, 0])
        return self.codec.decode(self.scorer.decision.choose(outputs))

    def figures(self, outputs: FloatArray, answers: Any) -> dict[str, float]:
        """Compute all metrics from ``outputs`` of texts and their answers."""
        from nlptl.evaluation.metrics import measure, measure_numbers

        if self.codec.numeric:
            return measure_numbers(self.codec.read(answers), self.decode(outputs))
        truth, chosen = self.codec.encode(answers), self.scorer.decision.choose(outputs)
        check_lengths(truth, chosen)
        figures = measure(truth, outputs, chosen)
        head = self.scorer.head
        if isinstance(head, OrdinalHead):
            ranks = head.ranks(self.codec.classes)
            figures["mean_rank_error"] = mean_rank_error(ranks[truth], ranks[chosen])
        return figures

    def class_scores(self, outputs: FloatArray, labels: Any) -> list[ClassScore]:
        """Compute precision, recall and F1 of each class from ``outputs`` and the labels."""
        truth, chosen = self.codec.encode(labels), self.scorer.decision.choose(outputs)
        check_lengths(truth, chosen)
        return class_scores(truth, chosen, [str(label) for label in self.codec.classes.tolist()])


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

"""Tuning an encoder together with the head that was fitted on its frozen features."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray, Groups, IntArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer
from nlptl.data.rows import Rows
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.save_trial import check_saving
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.windows import Windows
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.transfers import Transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.calibration.imbalance import FocalLoss, Imbalance
from nlptl.heads.linear import LogisticHead, OrdinalHead, RidgeHead
from nlptl.heads.solver_fit import (
    OneVsRest,
    learn_decision,
    linear_map_of,
    undecided,
    weigh_rows,
)
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History
from nlptl.training.losses import LabelLosses, focal_losses, row_losses
from nlptl.training.networks.feature_network import FeatureNetwork, NetworkRecipe
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen, TextFeatures

TUNING = LoopConfig(
    epochs=6, batch_size=16, learning_rate=1e-4, weight_decay=0.01, warmup_share=0.1, patience=6
)
"""What is taken where ``TrainingConfig`` leaves it open."""

LESS_IS_BETTER = ("log_loss", "calibration_error", "rmse", "mae")
MAX_ROWS_TO_TRAIN_AGAIN = 1_000
"""With fewer rows training is done anew on all of them, once probabilities are calibrated."""

MIN_ROWS_TO_HOLD_OUT = 100
"""With fewer rows none are held out, and probabilities are not calibrated."""


def frozen_start(
    transfers: Transfers, encoder: Any, rows: Rows, targets: Targets, *, joint: bool
) -> TextFeatures:
    """Give the frozen features on which the head is fitted before tuning begins.

    Parameters
    ----------
    transfers : Transfers
    encoder : Encoder
    rows : Rows
        What is learnt from.
    targets : Targets
        Their labels.
    joint : bool
        Read the two texts of a pair as one.

    Raises
    ------
    ConfigError
        If the encoder has no weights that could be tuned.
    StorageError
        If the encoder could not be saved after training.
    """
    named = type(transfers.main).__name__
    if not isinstance(encoder, TransformerEncoder):
        raise ConfigError(
            f"{named}() tunes a transformer, got {type(encoder).__name__}. Use Frozen() with it."
        )
    if encoder.folder.layers_after_pooling or encoder.chosen_pooling.dimension is not None:
        raise ConfigError(
            f"{encoder.folder.name!r} is reduced by a layer after pooling, which is not tuned. "
            "Choose TransformerEncoder(name, pooling=Pooling(...)) without a dimension."
        )
    from_main(lambda: check_saving(encoder))
    empty = rows.take(np.arange(0))
    frozen = Frozen(transfers.main.features)
    return frozen.learn(encoder, rows, targets, further=empty, joint=joint)


@dataclass(frozen=True)
class FineTuner:
    """Trains encoder and head together from where the frozen rung ended.

    Attributes
    ----------
    body : TunedEncoder
        What is tuned, starting from ``frozen_start``.
    """

    body: TunedEncoder

    def fit(
        self,
        scorer: FittedHead,
        rows: Rows,
        targets: Targets,
        *,
        validation: tuple[Rows, Targets] | None,
        extra: tuple[Rows, Targets] | None = None,
    ) -> tuple[TextFeatures, FittedHead]:
        """Train the encoder and the head.

        Parameters
        ----------
        scorer : FittedHead
            Fitted on the features of ``start``.
        rows : Rows
            Training rows.
        targets : Targets
            Their labels.
        validation : tuple of (Rows, Targets) or None
            Rows that choose the epoch. Without them, some training rows are held out as
            ``TrainingConfig`` says.
        extra : tuple of (Rows, Targets) or None
            More training rows, none of which is held out.
        """
        plan, config = self.body.plan, self.body.plan.config
        start = warm_head(scorer, targets, self.body.start.groups(rows))
        recipe, head = start.recipe, start.head
        seen, held = (rows, targets), validation
        if validation is None:
            # Numbers need no calibration: rows are held out only to choose an epoch by.
            unused = targets.numeric and config.keep != "best"
            share = 0.0 if unused else config.validation_share
            seen, held = hold_out(rows, targets, share, plan.seed)
        unseen = None if held is None else self.body.windows(held[0].texts, held[1])
        chooses = config.keep == "best" or (config.keep == "auto" and validation is not None)
        if chooses and unseen is None:
            raise ConfigError(f"keep='best' needs held-out rows, and {len(rows)} rows are too few.")
        train = partial(self._train, recipe, head, description=_described(scorer.head))
        network, history = train(_joined(*seen, extra), config, unseen=unseen if chooses else None)
        decision = start.decision if unseen is None else self._decision(network, unseen)
        if validation is None and held is not None and is_refitted(config, len(rows)):
            averages = self.body.transfers.main.averages_weights
            first, network = self.body.spared(network) if averages else None, None
            everything = _joined(rows, targets, extra)
            network, second = train(everything, _again_on_all_rows(config, history))
            history = _of_both(history, second)
            if averages:
                self.body.average(network, first)
        fitted = start.ended(network.head, decision, history)
        return self.body.features(network), fitted

    def _train(
        self,
        recipe: NetworkRecipe,
        head: FeatureNetwork,
        data: tuple[Rows, Targets],
        config: LoopConfig,
        *,
        description: str,
        unseen: Any = None,
    ) -> tuple[Any, History]:
        """Train once from a head, which ``description`` identifies in checkpoints.

        ``unseen`` rows choose the epoch, if there are some.
        """
        from nlptl.training.networks.text_training import Tuning, tune

        plan, (rows, targets) = self.body.plan, data
        weighed = targets if targets.several else weigh_rows(targets, plan.imbalance)
        seen = self.body.windows(rows.texts, weighed)
        how = Tuning(
            config,
            plan.seed,
            plan.device,
            loss=loss_of(plan.imbalance, targets),
            settings={
                **self.body.settings(seen, config),
                "head": description,
                "unseen": None
                if unseen is None
                else fingerprint([unseen.windows.ids, unseen.targets.codes.tolist()]),
            },
        )
        score = None if unseen is None else score_by(config.metric, unseen)
        return tune(partial(self._build, recipe, head, seen.windows), seen, how, score=score)

    def _decision(self, network: Any, unseen: Any) -> Decision:
        from nlptl.training.networks.text_network import logits_of

        return learn_decision(logits_of(network, unseen), unseen.targets, self.body.plan.imbalance)

    def _build(
        self, recipe: NetworkRecipe, head: FeatureNetwork, windows: Windows, seed: int
    ) -> tuple[Any, list[BoundTransfer]]:
        from nlptl.training.networks.text_network import TextNetwork

        keeps = self.body.transfers.main.keeps_head
        module = copy.deepcopy(head.module) if keeps else recipe.build()
        make = partial(TextNetwork, head=module, scale=head.scale)
        return self.body.network(make, windows.ids, seed)


@dataclass(frozen=True, eq=False)
class WarmHead:
    """A head that was fitted on frozen features, as the network that it goes on as.

    Attributes
    ----------
    recipe : NetworkRecipe
        What the network is made of.
    head : FeatureNetwork
        With what was learnt.
    decision : Decision
        How its logits are read, until rows that were held out tell.
    spec : head
        As it is told to the user.
    """

    recipe: NetworkRecipe
    head: FeatureNetwork
    decision: Decision
    spec: Any

    def ended(self, module: Any, decision: Decision, history: History) -> FittedHead:
        """Give the head as it was trained."""
        done = FeatureNetwork(module.eval(), self.head.scale)
        return FittedHead(self.spec, done, decision, self.recipe, history)


def warm_head(scorer: FittedHead, targets: Targets, groups: Groups) -> WarmHead:
    """Make a network of a head that was fitted on frozen features."""
    recipe = scorer.recipe
    if recipe is None:
        recipe = NetworkRecipe(_layer_of(scorer, targets), None, groups, targets.n_outputs)
    # An order of labels is told as the user gave it, and not as one of codes.
    spec = scorer.head if isinstance(recipe.head, OrdinalHead) else recipe.head
    if scorer.recipe is not None:
        return WarmHead(recipe, scorer.fitted, scorer.decision, spec)
    # A linear start has the temperature in its weights; a network has it still to come.
    decision = replace(scorer.decision, temperature=1.0)
    return WarmHead(recipe, _as_network(recipe, scorer), decision, spec)


def score_by(name: str, unseen: Any) -> Callable[[Any], float]:
    """Give the function that judges a network on rows held out; the higher, the better.

    Raises
    ------
    ConfigError
        If no figure is called so.
    """
    from nlptl.evaluation.metrics import measure, measure_numbers
    from nlptl.training.networks.text_network import log_loss, logits_of

    targets = unseen.targets
    if name == "log_loss":
        return lambda network: -log_loss(network, unseen)
    plain = undecided(targets)

    def figures(logits: FloatArray) -> dict[str, float]:
        if targets.numeric:
            return measure_numbers(targets.codes, logits[:, 0])
        sure = plain.probabilities(logits)
        return measure(targets.codes, sure, plain.choose(sure))

    known = figures(np.zeros((len(targets), targets.n_outputs)))
    if name not in known:  # said before hours of training
        raise ConfigError(f"metric={name!r} is not known. {suggest(name, known)}")
    sign = -1 if name in LESS_IS_BETTER else 1
    return lambda network: sign * figures(logits_of(network, unseen))[name]


def _layer_of(scorer: FittedHead, targets: Targets) -> Any:
    """Give the head whose layers learn on from a linear one that is fitted."""
    if isinstance(scorer.fitted, OrdinalHead):
        return clone(scorer.fitted)
    return RidgeHead() if targets.numeric else LogisticHead()


def loss_of(imbalance: Imbalance | None, targets: Targets) -> Callable[[Any, Any], Any]:
    """Give the loss of each row; of single labels, rows are weighed instead."""
    if isinstance(imbalance, FocalLoss):
        return focal_losses
    if imbalance is None or not targets.several:
        return row_losses
    sides = np.ones((2, targets.n_outputs))
    for place in range(targets.n_outputs):
        codes = targets.label(place).codes
        weights = imbalance.row_weights(codes)
        if weights is None:
            return row_losses
        sides[:, place] = [weights[codes == side].max(initial=0.0) for side in (0, 1)]
    return LabelLosses(*sides)


def _described(head: Any) -> str:
    """Describe a head as any run of the same program would."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(head))


def is_refitted(config: LoopConfig, n_rows: int) -> bool:
    """Tell whether training is done anew on all rows, once the held-out ones have told."""
    return n_rows < MAX_ROWS_TO_TRAIN_AGAIN if config.refit is None else config.refit


def _again_on_all_rows(config: LoopConfig, history: History) -> LoopConfig:
    """Train anew for as long as was best, with checkpoints of its own."""
    apart = None if config.checkpoints is None else str(Path(config.checkpoints) / "all-rows")
    again = replace(config, checkpoints=apart)
    if not history.scores or history.best_epoch == len(history.scores):
        return again
    best = history.best_epoch  # of which stages may count more than there are
    best = best if config.max_steps else min(best, config.epochs)
    return replace(again, epochs=best, max_steps=None)


def _of_both(first: History, second: History) -> History:
    """Tell of two trainings: what the second learnt, and what happened in either."""
    return replace(
        second,
        scores=second.scores or first.scores,
        restarts=[*first.restarts, *second.restarts],
        refused=[*first.refused, *second.refused],
    )


def _joined(
    rows: Rows, targets: Targets, extra: tuple[Rows, Targets] | None
) -> tuple[Rows, Targets]:
    """Append extra rows to training rows."""
    if extra is None:
        return rows, targets
    return rows.followed_by(extra[0]), targets.followed_by(extra[1])


def hold_out(
    rows: Rows, targets: Targets, share: float, seed: int
) -> tuple[tuple[Rows, Targets], tuple[Rows, Targets] | None]:
    """Hold a share of the rows out, where there are enough."""
    if not share or len(targets) < MIN_ROWS_TO_HOLD_OUT:
        return (rows, targets), None
    held = max(Fraction(share).limit_denominator(len(targets)), Fraction(1, len(targets)))
    n_folds = held.denominator
    any_fold: IntArray = np.random.default_rng(seed).permutation(len(targets)) % n_folds
    folds = any_fold if targets.numeric else stratified_folds(targets.codes, n_folds, seed=seed)
    hides = folds * held.numerator % n_folds < held.numerator  # spread over the folds
    seen, hidden = np.flatnonzero(~hides), np.flatnonzero(hides)
    return (
        (rows.take(seen), targets.take(seen)),
        (rows.take(hidden), targets.take(hidden)),
    )


def _as_network(recipe: NetworkRecipe, scorer: FittedHead) -> FeatureNetwork:
    """Make the linear layer that gives the logits of a fitted linear head, calibrated.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    import torch

    weights, offset = (part / scorer.decision.temperature for part in linear_map(scorer.fitted))
    with sheltered():
        module = recipe.build()
    if isinstance(recipe.head, OrdinalHead):
        recipe.head.hand_to(module, weights, offset)
        return FeatureNetwork(module, 1.0)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weights))
        module.bias.copy_(torch.from_numpy(offset))
    return FeatureNetwork(module, 1.0)


def linear_map(fitted: Any) -> tuple[FloatArray, FloatArray]:
    """Give a fitted linear head as weights (n_outputs, n_features) and offset (n_outputs,).

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    if isinstance(fitted, OneVsRest):
        return _linear_of_several(fitted)
    if not hasattr(fitted, "coef_"):
        raise ConfigError(
            f"{type(fitted).__name__} is no linear head or network, so it cannot be trained on. "
            "Leave the head out, or use LogisticHead, BlendHead, DiscriminantHead or MLPHead."
        )
    return linear_map_of(fitted)


def _linear_of_several(fitted: OneVsRest) -> tuple[FloatArray, FloatArray]:
    """Give the log odds of each label as one linear map."""
    known = [head for head in fitted.heads_ if not isinstance(head, float)]
    width = linear_map(known[0])[0].shape[1]
    weights = np.zeros((len(fitted.heads_), width))
    offset = np.zeros(len(fitted.heads_))
    for place, head in enumerate(fitted.heads_):
        if isinstance(head, float):
            offset[place] = np.sign(head) * 5.0  # sure, but not beyond learning better
        else:
            coef, intercept = linear_map(head)
            weights[place], offset[place] = coef[1] - coef[0], intercept[1] - intercept[0]
    return weights, offset

"""Train an encoder together with the head that was fitted to its frozen features."""

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
"""Defaults of the settings that ``TrainingConfig`` leaves open."""

LESS_IS_BETTER = ("log_loss", "calibration_error", "rmse", "mae")
MAX_ROWS_TO_TRAIN_AGAIN = 1_000
"""With fewer rows, training runs again on all rows after probabilities are calibrated."""

MIN_ROWS_TO_HOLD_OUT = 100
"""With fewer rows, none are held out and probabilities are not calibrated."""


def frozen_start(
    transfers: Transfers, encoder: Any, rows: Rows, targets: Targets, *, joint: bool
) -> TextFeatures:
    """Return the frozen features to which the head is fitted before tuning.

    Parameters
    ----------
    transfers : Transfers
    encoder : Encoder
    rows : Rows
        Training rows.
    targets : Targets
        Labels of the rows.
    joint : bool
        True to read the two texts of a pair as one text.

    Raises
    ------
    ConfigError
        If the encoder has no weights that can be tuned.
    StorageError
        If the encoder cannot be saved after training.
    """
    name = type(transfers.main).__name__
    if not isinstance(encoder, TransformerEncoder):
        raise ConfigError(
            f"{name}() tunes a transformer, got {type(encoder).__name__}. Use Frozen() with it."
        )
    if encoder.folder.layers_after_pooling or encoder.chosen_pooling.dimension is not None:
        raise ConfigError(
            f"{name}() tunes no layer after pooling, but such a layer or a dimension reduces the "
            f"vectors of {encoder.folder.name!r}. Use TransformerEncoder(name, "
            "pooling=Pooling(...)) without a dimension."
        )
    from_main(lambda: check_saving(encoder))
    empty = rows.take(np.arange(0))
    frozen = Frozen(transfers.main.features)
    return frozen.learn(encoder, rows, targets, further=empty, joint=joint)


@dataclass(frozen=True)
class FineTuner:
    """Trains the encoder and the head together, after the head was fitted to frozen features.

    Attributes
    ----------
    body : TunedEncoder
        The encoder to tune, with the features from ``frozen_start``.
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
            Head fitted to the frozen features.
        rows : Rows
            Training rows.
        targets : Targets
            Labels of the rows.
        validation : tuple of (Rows, Targets) or None
            Rows that choose the best epoch. Without them, ``validation_share`` of the training
            rows is held out.
        extra : tuple of (Rows, Targets) or None
            Extra training rows. None of them is held out.

        Raises
        ------
        ConfigError
            If ``keep="best"`` is set and no rows are held out.
        """
        plan, config = self.body.plan, self.body.plan.config
        start = warm_head(scorer, targets, self.body.start.groups(rows))
        recipe, head = start.recipe, start.head
        training, held_out = (rows, targets), validation
        if validation is None:
            # Numbers need no calibration, so held-out rows are needed only to choose an epoch.
            is_unused = targets.numeric and config.keep != "best"
            share = 0.0 if is_unused else config.validation_share
            training, held_out = hold_out(rows, targets, share, plan.seed)
        judged = None if held_out is None else self.body.windows(held_out[0].texts, held_out[1])
        chooses = config.keep == "best" or (config.keep == "auto" and validation is not None)
        if chooses and judged is None:
            raise ConfigError(
                f"keep='best' needs held-out rows, but {len(rows)} rows are too few or "
                "validation_share is 0. Pass fit(..., validation=...) or leave keep out."
            )
        train = partial(self._train, recipe, head, description=_described(scorer.head))
        data, scored = _joined(*training, extra), judged if chooses else None
        network, history = train(data, config, held_out=scored)
        decision = start.decision if judged is None else self._decision(network, judged)
        if validation is None and held_out is not None and is_refitted(config, len(rows)):
            averages = self.body.transfers.main.averages_weights
            first, network = self.body.spared(network) if averages else None, None
            data = _joined(rows, targets, extra)
            network, second = train(data, _again_on_all_rows(config, history))
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
        held_out: Any = None,
    ) -> tuple[Any, History]:
        """Train the encoder and a head once.

        ``description`` identifies the head in checkpoints. The ``held_out`` rows choose the epoch,
        if there are some.
        """
        from nlptl.training.networks.text_training import Tuning, tune

        plan, (rows, targets) = self.body.plan, data
        weighed = targets if targets.several else weigh_rows(targets, plan.imbalance)
        windows = self.body.windows(rows.texts, weighed)
        tuning = Tuning(
            config,
            plan.seed,
            plan.device,
            loss=loss_of(plan.imbalance, targets),
            settings={
                **self.body.settings(windows, config),
                "head": description,
                "unseen": None
                if held_out is None
                else fingerprint([held_out.windows.ids, held_out.targets.codes.tolist()]),
            },
        )
        score = None if held_out is None else score_by(config.metric, held_out)
        build = partial(self._build, recipe, head, windows.windows)
        return tune(build, windows, tuning, score=score)

    def _decision(self, network: Any, held_out: Any) -> Decision:
        from nlptl.training.networks.text_network import logits_of

        logits = logits_of(network, held_out)
        return learn_decision(logits, held_out.targets, self.body.plan.imbalance)

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
    """Network to train, made of a head that was fitted to frozen features.

    Attributes
    ----------
    recipe : NetworkRecipe
        Components of the network.
    head : FeatureNetwork
        The network with the fitted weights.
    decision : Decision
        Decision of the fitted head. It applies until one is fitted to held-out rows.
    spec : head
        The unfitted head that the user gets to see.
    """

    recipe: NetworkRecipe
    head: FeatureNetwork
    decision: Decision
    spec: Any

    def ended(self, module: Any, decision: Decision, history: History) -> FittedHead:
        """Return the fitted head after training."""
        network = FeatureNetwork(module.eval(), self.head.scale)
        return FittedHead(self.spec, network, decision, self.recipe, history)


def warm_head(scorer: FittedHead, targets: Targets, groups: Groups) -> WarmHead:
    """Make a network of a head that was fitted to frozen features."""
    recipe = scorer.recipe
    if recipe is None:
        recipe = NetworkRecipe(_layer_of(scorer, targets), None, groups, targets.n_outputs)
    # The user sees the order of the labels, not the order of the codes.
    spec = scorer.head if isinstance(recipe.head, OrdinalHead) else recipe.head
    if scorer.recipe is not None:
        return WarmHead(recipe, scorer.fitted, scorer.decision, spec)
    # _as_network divides the linear weights by the temperature, so the decision must not.
    decision = replace(scorer.decision, temperature=1.0)
    return WarmHead(recipe, _as_network(recipe, scorer), decision, spec)


def score_by(name: str, held_out: Any) -> Callable[[Any], float]:
    """Return a function that scores a network on held-out rows; higher is better.

    Raises
    ------
    ConfigError
        If the metric is not known.
    """
    from nlptl.evaluation.metrics import measure, measure_numbers
    from nlptl.training.networks.text_network import log_loss, logits_of

    targets = held_out.targets
    if name == "log_loss":
        return lambda network: -log_loss(network, held_out)
    decision = undecided(targets)

    def figures(logits: FloatArray) -> dict[str, float]:
        if targets.numeric:
            return measure_numbers(targets.codes, logits[:, 0])
        probabilities = decision.probabilities(logits)
        return measure(targets.codes, probabilities, decision.choose(probabilities))

    metrics = figures(np.zeros((len(targets), targets.n_outputs)))
    if name not in metrics:  # raise before hours of training
        raise ConfigError(f"metric={name!r} is not known. {suggest(name, metrics)}")
    sign = -1 if name in LESS_IS_BETTER else 1
    return lambda network: sign * figures(logits_of(network, held_out))[name]


def _layer_of(scorer: FittedHead, targets: Targets) -> Any:
    """Return the head that builds the layers for a fitted linear head."""
    if isinstance(scorer.fitted, OrdinalHead):
        return clone(scorer.fitted)
    return RidgeHead() if targets.numeric else LogisticHead()


def loss_of(imbalance: Imbalance | None, targets: Targets) -> Callable[[Any, Any], Any]:
    """Return the function that computes the loss of each row.

    With one label per text, class weights are not in the loss. They are in the weights of the rows.
    """
    if isinstance(imbalance, FocalLoss):
        return focal_losses
    if imbalance is None or not targets.several:
        return row_losses
    class_weights = np.ones((2, targets.n_outputs))
    for label in range(targets.n_outputs):
        codes = targets.label(label).codes
        weights = imbalance.row_weights(codes)
        if weights is None:
            return row_losses
        class_weights[:, label] = [weights[codes == code].max(initial=0.0) for code in (0, 1)]
    return LabelLosses(*class_weights)


def _described(head: Any) -> str:
    """Return the repr of a head without memory addresses, which differ between runs."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(head))


def is_refitted(config: LoopConfig, n_rows: int) -> bool:
    """Return True if training runs again on all rows after the run with held-out rows."""
    return n_rows < MAX_ROWS_TO_TRAIN_AGAIN if config.refit is None else config.refit


def _again_on_all_rows(config: LoopConfig, history: History) -> LoopConfig:
    """Return the settings to train on all rows: the best number of epochs, another folder."""
    folder = config.checkpoints
    checkpoints = None if folder is None else str(Path(folder) / "all-rows")
    settings = replace(config, checkpoints=checkpoints)
    if not history.scores or history.best_epoch == len(history.scores):
        return settings
    best = history.best_epoch  # with several stages, it can be above config.epochs
    best = best if config.max_steps else min(best, config.epochs)
    return replace(settings, epochs=best, max_steps=None)


def _of_both(first: History, second: History) -> History:
    """Return the history of the second training, with the restarts and refusals of both."""
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
    """Split rows into training rows and held-out rows. The latter are None with too few rows."""
    if not share or len(targets) < MIN_ROWS_TO_HOLD_OUT:
        return (rows, targets), None
    part = max(Fraction(share).limit_denominator(len(targets)), Fraction(1, len(targets)))
    n_folds = part.denominator
    any_fold: IntArray = np.random.default_rng(seed).permutation(len(targets)) % n_folds
    folds = any_fold if targets.numeric else stratified_folds(targets.codes, n_folds, seed=seed)
    is_held_out = folds * part.numerator % n_folds < part.numerator  # spread over the folds
    training, held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    return (
        (rows.take(training), targets.take(training)),
        (rows.take(held_out), targets.take(held_out)),
    )


def _as_network(recipe: NetworkRecipe, scorer: FittedHead) -> FeatureNetwork:
    """Build the linear layer that returns the calibrated logits of a fitted linear head.

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
    """Return the weights (n_outputs, n_features) and offset (n_outputs,) of a linear head.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    if isinstance(fitted, OneVsRest):
        return _linear_of_several(fitted)
    if not hasattr(fitted, "coef_"):
        raise ConfigError(
            f"Expected a linear head or a network, got {type(fitted).__name__}. Leave the head "
            "out, or use LogisticHead, BlendHead, DiscriminantHead or MLPHead."
        )
    return linear_map_of(fitted)


def _linear_of_several(fitted: OneVsRest) -> tuple[FloatArray, FloatArray]:
    """Return one linear map from features to the log odds of each label."""
    linear_heads = [head for head in fitted.heads_ if not isinstance(head, float)]
    width = linear_map(linear_heads[0])[0].shape[1]
    weights = np.zeros((len(fitted.heads_), width))
    offset = np.zeros(len(fitted.heads_))
    for label, head in enumerate(fitted.heads_):
        if isinstance(head, float):
            offset[label] = np.sign(head) * 5.0  # confident, but training can still change it
        else:
            coef, intercept = linear_map(head)
            weights[label], offset[label] = coef[1] - coef[0], intercept[1] - intercept[0]
    return weights, offset

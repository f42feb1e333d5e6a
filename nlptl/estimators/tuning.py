"""Tuning an encoder together with the head that was fitted on its frozen features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.encoders.contextual.shelf import LoadedEncoder, default_device, read_encoder
from nlptl.estimators.scoring import FitPlan, FittedScorer
from nlptl.heads.deciding.decision import Decision
from nlptl.heads.fitting import OneVsRest, learn_decision, weigh_rows
from nlptl.heads.linear import LogisticHead
from nlptl.training.config import TrainingConfig
from nlptl.training.loop import Learner
from nlptl.training.network import FeatureNetwork, NetworkRecipe
from nlptl.transfer.features.frozen import Frozen, FrozenFeatures
from nlptl.transfer.parameters.full import FullFineTune

TUNING = TrainingConfig(
    epochs=6, batch_size=16, learning_rate=1e-4, weight_decay=0.01, warmup_share=0.1, patience=6
)
"""What is taken where no ``TrainingConfig`` is given."""

_HELD_OUT = 10
_FEWEST = 100
"""With fewer rows none are held out, and probabilities are not calibrated."""


def frozen_start(
    transfer: FullFineTune, encoder: Any, rows: Rows, targets: Targets
) -> FrozenFeatures:
    """Give the frozen features on which the head is fitted before tuning begins.

    Raises
    ------
    ConfigError
        If the encoder has no weights that could be tuned.
    """
    if not isinstance(encoder, TransformerEncoder):
        raise ConfigError(
            f"{type(transfer).__name__}() tunes a transformer, got {type(encoder).__name__}. "
            "Use Frozen() with it."
        )
    if encoder.folder.dense is not None or encoder.chosen_pooling.dimension is not None:
        raise ConfigError(
            f"{encoder.folder.name!r} is reduced by a layer after pooling, which is not tuned. "
            "Choose TransformerEncoder(name, pooling=Pooling(...)) without a dimension."
        )
    empty = rows.take(np.arange(0))
    features = Frozen(transfer.features).learn(encoder, rows, targets, further=empty)
    return replace(features, joint=True)


@dataclass(frozen=True)
class Tuner:
    """Trains encoder and head together from where the frozen rung ended.

    Attributes
    ----------
    transfer : FullFineTune
    start : FrozenFeatures
        From ``frozen_start``.
    plan : FitPlan
    """

    transfer: FullFineTune
    start: FrozenFeatures
    plan: FitPlan

    def fit(
        self,
        scorer: FittedScorer,
        rows: Rows,
        targets: Targets,
        *,
        validation: tuple[Rows, Targets] | None,
    ) -> tuple[FrozenFeatures, FittedScorer]:
        """Train, and give features and scorer as the frozen rung gives them.

        Parameters
        ----------
        scorer : FittedScorer
            Fitted on the features of ``start``.
        rows : Rows
            What to learn from.
        targets : Targets
            Their labels.
        validation : tuple of (Rows, Targets) or None
            Rows that decide how long to train; without them a tenth is held out to calibrate
            on, and training runs its full length.
        """
        from nlptl.training.text_network import tune

        plan = self.plan
        recipe = scorer.recipe or NetworkRecipe(
            LogisticHead(), None, self.start.groups(rows), targets.n_outputs
        )
        network = self._network(scorer.fitted if scorer.recipe else _as_network(recipe, scorer))
        learning, held = ((rows, targets), validation)
        if validation is None:
            learning, held = _split(rows, targets, plan.seed)
        weighed = learning[1] if targets.several else weigh_rows(learning[1], plan.imbalance)
        history = tune(
            Learner(network, self._rate, half=True),
            self._windows(learning[0], weighed),
            config=plan.config,
            seed=plan.seed,
            device=plan.device,
            unseen=None if validation is None else self._windows(*validation),
        )
        # A linear start has the temperature in its weights; a network has it still to come.
        before = scorer.decision if scorer.recipe else replace(scorer.decision, temperature=1.0)
        decision = before if held is None else self._decision(network, *held)
        done = FeatureNetwork(network.head.eval(), network.scale)
        scored = FittedScorer(recipe.head, done, decision, recipe, history)
        return self._features(network.encoder), scored

    def _network(self, head: FeatureNetwork) -> Any:
        from nlptl.training.text_network import TextNetwork

        encoder, folder = self._encoder, self._encoder.folder
        model = read_encoder(folder, "float32", self._place).model
        self.transfer.choose_weights(model, n_layers=folder.n_layers)
        return TextNetwork(
            model,
            head.module,
            pooling=encoder.chosen_pooling,
            weights=self.start.weights,
            scale=head.scale,
        )

    def _windows(self, rows: Rows, targets: Targets) -> Any:
        from nlptl.training.text_network import LabelledWindows

        reader = replace(self._encoder, long_texts="cut")
        return LabelledWindows(reader.windows(rows.texts), targets, self._padding)

    def _decision(self, network: Any, rows: Rows, targets: Targets) -> Decision:
        from nlptl.training.text_network import logits_of

        windows = self._windows(rows, targets).windows
        logits = logits_of(network, windows, padding=self._padding)
        return learn_decision(logits, targets, self.plan.imbalance)

    def _features(self, model: Any) -> FrozenFeatures:
        for weight in model.parameters():
            weight.requires_grad_(True)
        tuned = LoadedEncoder(self._encoder.folder, model.eval(), "float32", self._place)
        return replace(self.start, encoder=replace(self._encoder, weights=tuned, dtype="float32"))

    def _rate(self, name: str) -> float:
        part, _, rest = name.partition(".")
        depth = self._encoder.folder.n_layers
        return self.transfer.rate(rest, n_layers=depth) if part == "encoder" else 1.0

    @property
    def _encoder(self) -> TransformerEncoder:
        encoder: TransformerEncoder = self.start.encoder
        return encoder

    @property
    def _place(self) -> str:
        return self.plan.device or default_device()

    @property
    def _padding(self) -> int:
        return int(self._encoder.folder.tokenizer.pad_token_id or 0)


def _split(
    rows: Rows, targets: Targets, seed: int
) -> tuple[tuple[Rows, Targets], tuple[Rows, Targets] | None]:
    """Hold a tenth of the rows out, where there are enough."""
    if len(targets) < _FEWEST:
        return (rows, targets), None
    folds = stratified_folds(targets.codes, _HELD_OUT, seed=seed)
    seen, hidden = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    return (
        (rows.take(seen), targets.take(seen)),
        (rows.take(hidden), targets.take(hidden)),
    )


def _as_network(recipe: NetworkRecipe, scorer: FittedScorer) -> FeatureNetwork:
    """Make the linear layer that gives the logits of a fitted linear head, calibrated.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    import torch

    weights, offset = _linear(scorer.fitted)
    module = recipe.build()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weights / scorer.decision.temperature))
        module.bias.copy_(torch.from_numpy(offset / scorer.decision.temperature))
    return FeatureNetwork(module, 1.0)


def _linear(fitted: Any) -> tuple[FloatArray, FloatArray]:
    if isinstance(fitted, OneVsRest):
        return _linear_of_several(fitted)
    if not hasattr(fitted, "coef_"):
        raise ConfigError(
            f"{type(fitted).__name__} is no linear head or network, so it cannot be trained on. "
            "Leave the head out, or use LogisticHead, BlendHead, DiscriminantHead or MLPHead."
        )
    return fitted.coef_, fitted.intercept_


def _linear_of_several(fitted: OneVsRest) -> tuple[FloatArray, FloatArray]:
    """Give the log odds of each label as one linear map."""
    width = next(_linear(head)[0].shape[1] for head in fitted.heads_ if not isinstance(head, float))
    weights = np.zeros((len(fitted.heads_), width))
    offset = np.zeros(len(fitted.heads_))
    for place, head in enumerate(fitted.heads_):
        if isinstance(head, float):
            offset[place] = np.sign(head) * 5.0  # sure, but not beyond learning better
        else:
            coef, intercept = _linear(head)
            weights[place], offset[place] = coef[1] - coef[0], intercept[1] - intercept[0]
    return weights, offset

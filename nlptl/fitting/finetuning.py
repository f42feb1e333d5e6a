"""Train an encoder together with the head that was fitted to its frozen features."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.windows import Windows
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.held_out import hold_out
from nlptl.fitting.training_goals import loss_of, score_by
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.fitting.warm_head import warm_head
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.solver_fit import (
    learn_decision,
    weigh_rows,
)
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig, in_subfolder
from nlptl.training.history import History
from nlptl.training.networks.feature_network import FeatureNetwork, NetworkRecipe
from nlptl.transfer.features.frozen import TextFeatures

if TYPE_CHECKING:
    from nlptl.training.networks.text_network import TextNetwork

TUNING = LoopConfig(
    epochs=6, batch_size=16, learning_rate=1e-4, weight_decay=0.01, warmup_share=0.1, patience=6
)
"""Defaults of the settings that ``TrainingConfig`` leaves open."""

MAX_ROWS_TO_TRAIN_AGAIN = 1_000
"""With fewer rows, training runs again on all rows after probabilities are calibrated."""


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
            gradual = getattr(self.body.transfers.main, "gradual", False)
            network, second = train(data, _again_on_all_rows(config, history, gradual=gradual))
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

    def _decision(self, network: TextNetwork, held_out: Any) -> Decision:
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


def _described(head: object) -> str:
    """Return the repr of a head without memory addresses, which differ between runs."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(head))


def is_refitted(config: LoopConfig, n_rows: int) -> bool:
    """Return True if training runs again on all rows after the run with held-out rows."""
    return n_rows < MAX_ROWS_TO_TRAIN_AGAIN if config.refit is None else config.refit


def _again_on_all_rows(
    config: LoopConfig, history: History, *, gradual: bool = False
) -> LoopConfig:
    """Return the settings to train on all rows: the best number of epochs, another folder.

    With ``gradual``, parts of an epoch are recorded as epochs, so the number of epochs stays.
    """
    settings = in_subfolder(config, "all-rows")
    if gradual or not history.scores or history.best_epoch == len(history.scores):
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

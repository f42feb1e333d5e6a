"""Training of the encoder before everything else, on unlabelled texts or on the labelled rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.change_strength import chosen_strength
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.pretraining_shelf import SHELF, Pretrained
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import Transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.fitting.tuning_first import TunedFirst, tuned_first
from nlptl.fitting.tuning_start import check_tunable
from nlptl.training.config import LoopConfig, in_subfolder
from nlptl.training.history import History
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.parameters import FineTuneFirst, FullFineTune, LoRA

if TYPE_CHECKING:
    from nlptl.training.networks.text_network import LabelledWindows, TextNetwork

PRETRAINING = LoopConfig(weight_decay=0.01, warmup_share=0.06, patience=1)
"""Defaults of the settings that neither the transfer nor ``TrainingConfig`` states."""


@dataclass(frozen=True)
class FirstStages:
    """Result of the trainings that came before everything else.

    Attributes
    ----------
    history : History or None
        None without such trainings.
    tuned : TunedFirst or None
        Result of ``FineTuneFirst``. None without it.
    """

    history: History | None = None
    tuned: TunedFirst | None = None


def pretrained(plan: FitPlan, data: TrainingData) -> tuple[FitPlan, FirstStages]:
    """Train the encoder first, if the plan has transfers that do so.

    Several such transfers run one after the other.

    Parameters
    ----------
    plan : FitPlan
    data : TrainingData
        Its unlabelled rows are the texts of ``ContinuedPretraining``.

    Returns
    -------
    plan, stages
        The plan has the new encoder.

    Raises
    ------
    ConfigError
        If the encoder cannot be trained in this way.
    """
    histories, result = [], None
    for number, transfer in enumerate(plan.transfers.pretraining):
        encoder = _transformer_of(plan.encoder, type(transfer).__name__)
        history: History | None
        if isinstance(transfer, FineTuneFirst):
            result = tuned_first(transfer, plan, data, encoder, folder=_folder(number))
            new, history = result.encoder, result.history
        else:
            new, history = _Stage(transfer, number, plan, encoder).run(data)
        plan = replace(plan, encoder=_with_transformer(plan.encoder, new))
        if history is not None:
            histories.append(history)
    return plan, FirstStages(_joined(histories), result)


def with_pretraining(history: History | None, pretraining: History | None) -> History | None:
    """Return the history of a fit with the figures and restarts of its pretraining."""
    if history is None or pretraining is None:
        return history or pretraining
    return replace(
        history,
        figures={**pretraining.figures, **history.figures},
        restarts=[*pretraining.restarts, *history.restarts],
        refused=[*pretraining.refused, *history.refused],
    )


@dataclass(frozen=True)
class _Stage:
    """Pretraining with one transfer.

    Attributes
    ----------
    transfer : ContinuedPretraining
    number : int
        Its place among the transfers that run first.
    plan : FitPlan
    encoder : TransformerEncoder
        The encoder to train.
    """

    transfer: Any
    number: int
    plan: FitPlan
    encoder: TransformerEncoder

    def run(self, data: TrainingData) -> tuple[TransformerEncoder, History]:
        """Return the trained encoder and the history of its training."""
        body = self._body(data)
        config = body.plan.config
        settings = {**body.settings(None, config), "device": repr(body.plan.device)}
        result = SHELF.get(settings)
        if result is None:
            result = self._trained(body, config)
            SHELF.put(settings, result)
        weights, history = result.weights, result.history
        strength = self.transfer.strength
        if strength == "auto" and not len(data.rows):
            strength = 1.0
        elif strength == "auto":
            main, joint = self.plan.transfers.main, self.plan.reads_jointly
            moved = partial(self._moved, body, weights)
            strength = from_main(partial(chosen_strength, moved, data, main, joint=joint))
        history.figures["strength"] = [float(strength)]
        return self._moved(body, weights, float(strength)), history

    def _body(self, data: TrainingData) -> TunedEncoder:
        """Return the encoder to tune, with the transfer and the settings of its training."""
        plan, transfer = self.plan, self.transfer
        main = LoRA() if transfer.adapter else FullFineTune()
        joint = plan.reads_jointly and data.unlabeled.are_pairs
        start = TextFeatures(self.encoder, np.ones(len(self.encoder.groups)), joint=joint)
        config = replace(
            plan.config(PRETRAINING),
            epochs=transfer.epochs,
            batch_size=transfer.rows_per_step,
            learning_rate=transfer.learning_rate,
            max_steps=None,
        )
        config = in_subfolder(config, _folder(self.number))
        training = TrainingPlan(config, None, plan.seed, plan.device)
        transfer = replace(transfer, strength=1.0)  # it is applied after training
        return TunedEncoder(Transfers(main, (transfer,)), start, training, data.unlabeled.texts)

    def _trained(self, body: TunedEncoder, config: LoopConfig) -> Pretrained:
        from nlptl.training.networks.text_training import Tuning, tune

        width = body.start.encoder.dim
        how = Tuning(
            config,
            body.plan.seed,
            body.plan.device,
            settings=body.settings(None, config),
            collapsed=_diverged,
        )
        network, history = tune(partial(body.headless, width, []), None, how)
        trained: Any = body.features(network).encoder
        return Pretrained(replace(trained.weights, adapter=None, base=None), history)

    def _moved(self, body: TunedEncoder, trained: Any, strength: float) -> TransformerEncoder:
        """Return the encoder with a share of the change of its weights."""
        from nlptl.training.weights.averaging import meet

        if strength == 1:
            return self.encoder.with_weights(trained)
        if strength == 0:
            return self.encoder
        model = body.fresh_model()
        meet(model, trained.model, strength)
        return self.encoder.with_weights(replace(trained, model=model.eval()))


def _folder(number: int) -> str:
    """Return the name of the folder for the checkpoints of a stage."""
    return f"pretraining-{number}"


def _diverged(network: TextNetwork, _rows: LabelledWindows | None, _history: History) -> str | None:
    """Return why training failed, or None if all weights are finite."""
    if all(bool(weight.isfinite().all()) for weight in network.encoder.parameters()):
        return None
    return "some weights are not finite numbers"


def _joined(histories: list[History]) -> History | None:
    """Return the history of the last training, with the figures of all."""
    if not histories:
        return None
    joined = histories[0]
    for history in histories[1:]:
        figures = dict(joined.figures)
        for name, values in history.figures.items():
            figures[name] = [*figures.get(name, []), *values]
        joined = replace(with_pretraining(history, joined) or history, figures=figures)
    return joined


def _transformer_of(encoder: Any, name: str) -> TransformerEncoder:
    """Return the encoder that a transfer trains: all of it, or the transformer of a fused one."""
    parts = encoder.encoders if isinstance(encoder, FusedEncoder) else (encoder,)
    transformers = [part for part in parts if is_tunable(part)]
    chosen = transformers[0] if transformers else encoder
    check_tunable(name, chosen)
    return chosen


def _with_transformer(encoder: Any, new: TransformerEncoder) -> Any:
    """Return the encoder with a new transformer in place of its first one."""
    if not isinstance(encoder, FusedEncoder):
        return new
    parts = list(encoder.encoders)
    place = next(index for index, part in enumerate(parts) if is_tunable(part))
    return replace(encoder, encoders=(*parts[:place], new, *parts[place + 1 :]))

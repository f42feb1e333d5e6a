"""Joint training of several tasks on one encoder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.data.mixing import Mixing
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.tasks.prepared import PreparedTask, UnlabelledTask
from nlptl.evaluation.task_affinity import Affinity
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.training_goals import loss_of, score_by
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.solver_fit import learn_decision
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.training.history import History

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from nlptl.training.networks.text_network import LabelledWindows, TextNetwork
    from nlptl.training.tasks.task_network import TasksNetwork
    from nlptl.training.tasks.task_progress import Progress
    from nlptl.training.tasks.task_training import TasksResult


@dataclass(frozen=True, eq=False)
class JointResult:
    """Result of the joint training of several tasks.

    Attributes
    ----------
    fitted : dict of str to FittedModel
        Fitted model of each labelled task. Tasks without private weights share one encoder.
    encoder : TransformerEncoder
        The shared encoder.
    history : History
    progress : Progress
        Scores of each task and cosine similarities of the gradients, per epoch.
    steps : dict of str to int
        Number of optimiser steps that trained each task.
    """

    fitted: dict[str, FittedModel]
    encoder: TransformerEncoder
    history: History
    progress: Progress
    steps: dict[str, int]

    @property
    def affinity(self) -> Affinity:
        """Cosine similarities of the gradients of each pair of tasks, per epoch."""
        return Affinity.of(list(self.steps), self.progress.cosines)


@dataclass(frozen=True, eq=False)
class JointTraining:
    """Trains several tasks together on one encoder.

    Attributes
    ----------
    parts : mapping of str to PreparedTask
        Labelled tasks.
    readings : mapping of str to UnlabelledTask
        Unlabelled tasks.
    mixing : Mixing
        How often each task is used.
    balance : {"sum", "uncertainty", "pcgrad"}
        Method to combine the losses.
    compares : bool
        True to compare the gradients of the tasks after each epoch.
    """

    parts: Mapping[str, PreparedTask]
    readings: Mapping[str, UnlabelledTask]
    mixing: Mixing
    balance: str
    compares: bool = True

    def fit(self) -> JointResult:
        """Train the encoder and the heads on the rows that are not held out."""
        from nlptl.training.networks.text_training import Tuning
        from nlptl.training.tasks.task_training import Joint, tune_tasks

        rows = {name: part.windows for name, part in self.parts.items()}
        rows |= {n: self._body.windows(task.texts, None) for n, task in self.readings.items()}
        unseen = {n: part.unseen for n, part in self.parts.items() if part.held is not None}
        metric = self._body.plan.config.metric
        joint = Joint(
            rows,
            self._losses(rows),
            {name: score_by(metric, held_rows) for name, held_rows in unseen.items()},
            self.mixing,
            self.balance,
            self.compares,
            dict.fromkeys(self.readings, self._masking) if self.readings else {},
        )
        plan = self._body.plan
        tuning = Tuning(plan.config, plan.seed, plan.device, settings=self._settings(rows, unseen))
        result = tune_tasks(partial(self._build, rows), joint, tuning)
        result.network.eval()
        encoder = self._body.features(result.network).encoder
        fitted = {
            name: self._fitted(part, result, encoder, unseen.get(name))
            for name, part in self.parts.items()
        }
        return JointResult(fitted, encoder, result.history, result.progress, result.steps)

    def on_all_rows(self) -> JointTraining:
        """Return the same training with no rows held out."""
        parts = {
            name: replace(
                part,
                seen=(part.training_data.rows, part.training_data.targets),
                held=None,
                body=replace(
                    part.body, plan=replace(part.body.plan, config=_config_for_all_rows(part))
                ),
            )
            for name, part in self.parts.items()
        }
        return replace(self, parts=parts, compares=False)

    @property
    def _body(self) -> TunedEncoder:
        """Encoder and training plan, which are the same for all tasks."""
        return next(iter(self.parts.values())).body

    def _fitted(
        self,
        part: PreparedTask,
        result: TasksResult,
        encoder: TransformerEncoder,
        unseen: LabelledWindows | None,
    ) -> FittedModel:
        network = result.network.of(part.name)
        task_encoder = _encoder_of_task(encoder, result.network, part.name)
        features = replace(part.body.start, encoder=task_encoder)
        decision = part.start.decision if unseen is None else _decision(part, network, unseen)
        scorer = part.start.ended(copy.deepcopy(network.head), decision, result.history)
        return FittedModel(part.training_data.codec, features, scorer, part.training_data.probe)

    def _losses(self, rows: Mapping[str, LabelledWindows]) -> dict[str, Any]:
        from nlptl.training.networks.text_training import prior_loss
        from nlptl.training.tasks.masked_words import as_given
        from nlptl.training.tasks.task_objective import TaskLoss

        losses = {}
        for name, part in self.parts.items():
            targets = rows[name].labels
            loss = loss_of(part.body.plan.imbalance, part.seen[1])
            scale = 1.0 if targets.numeric else prior_loss(targets, loss)
            losses[name] = TaskLoss(loss, max(scale, 1e-6), part.task.weight)
        for name, reading in self.readings.items():
            n_tokens = len(set(chain.from_iterable(rows[name].windows.ids)))
            losses[name] = TaskLoss(as_given, float(np.log(max(n_tokens, 2))), reading.task.weight)
        return losses

    def _build(self, rows: Mapping[str, LabelledWindows], seed: int) -> Any:
        from nlptl.training.tasks.task_network import TasksNetwork

        keeps_head = self._body.transfers.main.keeps_head
        heads, scales = {}, {}
        for name, part in self.parts.items():
            start = part.start
            heads[name] = copy.deepcopy(start.head.module) if keeps_head else start.recipe.build()
            scales[name] = start.head.scale
        ids = [window for task_rows in rows.values() for window in task_rows.windows.ids]
        if self.readings:
            ids.append([self._masking.mask])

        def make(encoder: PreTrainedModel, **how: Any) -> TasksNetwork:
            readers = {name: self._reader(encoder) for name in self.readings}
            ones = dict.fromkeys(readers, 1.0)
            return TasksNetwork(encoder, {**heads, **readers}, scales={**scales, **ones}, **how)

        return self._body.network(make, ids, seed)

    def _reader(self, encoder: PreTrainedModel) -> Any:
        from nlptl.training.tasks.masked_words import MaskedWords

        return MaskedWords.of(self._body.encoder.folder.hidden_size, encoder)

    @cached_property
    def _masking(self) -> Any:
        from nlptl.training.tasks.masked_words import masking_of

        return masking_of(self._body.encoder.folder.tokenizer)

    def _settings(
        self, rows: Mapping[str, LabelledWindows], unseen: Mapping[str, LabelledWindows]
    ) -> dict[str, Any]:
        """Return what identifies this fit, so that checkpoints of other fits are refused."""
        tasks = {}
        for name, part in self.parts.items():
            settings = {"task": repr(part.task), "head": repr(part.start.spec)}
            held_rows = unseen.get(name)
            settings["unseen"] = "" if held_rows is None else fingerprint(held_rows.windows.ids)
            tasks[name] = settings | part.body.settings(rows[name], part.body.plan.config)
        for name in self.readings:
            tasks[name] = {"rows": fingerprint(rows[name].windows.ids)}
        return {"tasks": tasks, "mixing": repr(self.mixing), "balance": self.balance}


def _config_for_all_rows(part: PreparedTask) -> LoopConfig:
    """Return the settings with a separate checkpoint folder, keeping the last epoch."""
    config = replace(part.body.plan.config, keep="last")
    if config.checkpoints is None:
        return config
    return replace(config, checkpoints=str(Path(config.checkpoints) / "all-rows"))


def _decision(part: PreparedTask, network: TextNetwork, unseen: LabelledWindows) -> Decision:
    from nlptl.training.networks.text_network import logits_of

    return learn_decision(logits_of(network, unseen), unseen.labels, part.body.plan.imbalance)


def _encoder_of_task(
    encoder: TransformerEncoder, network: TasksNetwork, task: str
) -> TransformerEncoder:
    """Return the encoder of a task: the shared one, or its private one if it has one."""
    from nlptl.training.networks.embeddings import put_back

    private = network.apart.get(network.places[task])
    if private is None:
        return encoder
    (model, adapter), base = private, encoder.reader.loaded
    if model is base.model:
        return encoder
    put_back(model)
    for weight in model.parameters():
        weight.requires_grad_(True)
    loaded = replace(base, model=model.eval(), adapter=adapter, base=base)
    return encoder.with_weights(loaded)

"""Learning several tasks on one encoder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.data.mixing import Mixing
from nlptl.estimators.tasks.prepared import PreparedTask, UnlabelledTask
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.evaluation.task_affinity import Affinity
from nlptl.fitting.finetuning import loss_of, score_by
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.solver_fit import learn_decision
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History

if TYPE_CHECKING:
    from nlptl.training.tasks.task_progress import Progress

BALANCES = ("sum", "uncertainty", "pcgrad")


@dataclass(frozen=True, eq=False)
class JointResult:
    """What tasks became that were learnt together.

    Attributes
    ----------
    fitted : dict of str to FittedModel
        Each task with answers; they share one encoder, where they have nothing to themselves.
    encoder : TransformerEncoder
        The shared one.
    history : History
    progress : Progress
        Scores of each task, and cosines of gradients, epoch after epoch.
    steps : dict of str to int
        Optimiser steps that learnt from each task.
    """

    fitted: dict[str, FittedModel]
    encoder: Any
    history: History
    progress: Progress
    steps: dict[str, int]

    @property
    def affinity(self) -> Affinity:
        """Cosines of the gradients of each two tasks, epoch after epoch."""
        return Affinity.of(list(self.steps), self.progress.cosines)


@dataclass(frozen=True, eq=False)
class JointTraining:
    """Learns tasks together.

    Attributes
    ----------
    parts : mapping of str to PreparedTask
    readings : mapping of str to UnlabelledTask
    mixing : Mixing
    balance : {"sum", "uncertainty", "pcgrad"}
    compares : bool
        Compare the gradients of the tasks after each epoch.
    """

    parts: Mapping[str, PreparedTask]
    readings: Mapping[str, UnlabelledTask]
    mixing: Mixing
    balance: str
    compares: bool = True

    def fit(self) -> JointResult:
        """Train encoder and heads on the rows that are not held out."""
        from nlptl.training.networks.text_training import Tuning
        from nlptl.training.tasks.task_training import Joint, tune_tasks

        rows = {name: part.windows for name, part in self.parts.items()}
        rows |= {n: self._body.windows(one.texts, None) for n, one in self.readings.items()}
        unseen = {n: part.unseen for n, part in self.parts.items() if part.held is not None}
        metric = self._body.plan.config.metric
        joint = Joint(
            rows,
            self._losses(rows),
            {name: score_by(metric, held) for name, held in unseen.items()},
            self.mixing,
            self.balance,
            self.compares,
        )
        plan = self._body.plan
        how = Tuning(plan.config, plan.seed, plan.device, settings=self._settings(rows, unseen))
        learnt = tune_tasks(partial(self._build, rows), joint, how)
        learnt.network.eval()
        encoder = self._body.features(learnt.network).encoder
        fitted = {
            name: self._fitted(part, learnt, encoder, unseen.get(name))
            for name, part in self.parts.items()
        }
        return JointResult(fitted, encoder, learnt.history, learnt.progress, learnt.steps)

    def on_all_rows(self) -> JointTraining:
        """Give the same with nothing held out."""
        everything = {
            name: replace(
                part,
                seen=(part.training_data.rows, part.training_data.targets),
                held=None,
                body=replace(part.body, plan=replace(part.body.plan, config=_apart(part))),
            )
            for name, part in self.parts.items()
        }
        return replace(self, parts=everything, compares=False)

    @property
    def _body(self) -> TunedEncoder:
        """What all tasks have in common."""
        return next(iter(self.parts.values())).body

    def _fitted(self, part: PreparedTask, learnt: Any, encoder: Any, unseen: Any) -> FittedModel:
        network = learnt.network.of(part.name)
        own = _own_encoder(encoder, learnt.network, part.name)
        features = replace(part.body.start, encoder=own)
        decision = part.start.decision if unseen is None else _decision(part, network, unseen)
        scorer = part.start.ended(copy.deepcopy(network.head), decision, learnt.history)
        return FittedModel(part.training_data.codec, features, scorer, part.training_data.probe)

    def _losses(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        from nlptl.training.networks.text_training import prior_loss
        from nlptl.training.tasks.masked_words import as_given
        from nlptl.training.tasks.task_objective import TaskLoss

        found = {}
        for name, part in self.parts.items():
            targets = rows[name].targets
            loss = loss_of(part.body.plan.imbalance, part.seen[1])
            scale = 1.0 if targets.numeric else prior_loss(targets, loss)
            found[name] = TaskLoss(loss, max(scale, 1e-6), part.task.weight)
        for name, one in self.readings.items():
            tokens = len(set(chain.from_iterable(rows[name].windows.ids)))
            found[name] = TaskLoss(as_given, float(np.log(max(tokens, 2))), one.task.weight)
        return found

    def _build(self, rows: Mapping[str, Any], seed: int) -> Any:
        from nlptl.training.tasks.task_network import TasksNetwork

        keeps = self._body.transfers.main.keeps_head
        heads, scales = {}, {}
        for name, part in self.parts.items():
            start = part.start
            heads[name] = copy.deepcopy(start.head.module) if keeps else start.recipe.build()
            scales[name] = start.head.scale
        for name in self.readings:
            heads[name], scales[name] = self._reader(), 1.0
        ids = [own for each in rows.values() for own in each.windows.ids]
        if self.readings:
            ids.append([self._mask])
        return self._body.network(partial(TasksNetwork, heads=heads, scales=scales), ids, seed)

    def _reader(self) -> Any:
        from nlptl.training.tasks.masked_words import MaskedWords

        folder = self._body.encoder.folder
        return MaskedWords(folder.hidden_size, self._mask, folder.tokenizer.all_special_ids)

    @property
    def _mask(self) -> int:
        return int(self._body.encoder.folder.tokenizer.mask_token_id)

    def _settings(self, rows: Mapping[str, Any], unseen: Mapping[str, Any]) -> dict[str, Any]:
        """Tell this fit from others, for its checkpoints."""
        each = {}
        for name, part in self.parts.items():
            own = {"task": repr(part.task), "head": repr(part.start.spec)}
            held = unseen.get(name)
            own["unseen"] = "" if held is None else fingerprint(held.windows.ids)
            each[name] = own | part.body.settings(rows[name], part.body.plan.config)
        for name in self.readings:
            each[name] = {"rows": fingerprint(rows[name].windows.ids)}
        return {"tasks": each, "mixing": repr(self.mixing), "balance": self.balance}


def mixing_of(model: SharedModel) -> Mixing:
    """Return how often each task of a model is trained on."""
    mixing = model.mixing or Mixing()
    return replace(mixing, mixed=True) if model.balance == "pcgrad" else mixing


def check_balance(name: str) -> None:
    """Refuse a way of putting losses together that is not known.

    Raises
    ------
    ConfigError
        If it is not; the nearest one is suggested.
    """
    if name not in BALANCES:
        raise ConfigError(f"balance={name!r} is not known. {suggest(str(name), BALANCES)}")


def _apart(part: PreparedTask) -> LoopConfig:
    """Give the settings with a folder of their own for checkpoints, and the last epoch kept."""
    config = replace(part.body.plan.config, keep="last")
    if config.checkpoints is None:
        return config
    return replace(config, checkpoints=str(Path(config.checkpoints) / "all-rows"))


def _decision(part: PreparedTask, network: Any, unseen: Any) -> Decision:
    from nlptl.training.networks.text_network import logits_of

    targets = unseen.targets
    return learn_decision(logits_of(network, unseen), targets, part.body.plan.imbalance)


def _own_encoder(encoder: Any, network: Any, task: str) -> Any:
    """Give the shared encoder, or the one that a task has to itself."""
    from nlptl.training.networks.embeddings import put_back

    found = network.apart.get(network.places[task])
    if found is None:
        return encoder
    (model, adapter), base = found, encoder.weights
    if model is base.model:
        return encoder
    put_back(model)
    for weight in model.parameters():
        weight.requires_grad_(True)
    own = replace(base, model=model.eval(), adapter=adapter, base=base)
    return encoder.with_weights(own)

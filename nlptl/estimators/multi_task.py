"""Several tasks on one encoder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.base.progress import progress_bar
from nlptl.base.renamed import RenamedAttribute
from nlptl.base.specs import NestedParams
from nlptl.data.mixing import Mixing
from nlptl.data.rows import as_rows
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.adding import Change, add_task
from nlptl.estimators.tasks.joint import JointResult, JointTraining, check_balance, mixing_of
from nlptl.estimators.tasks.prediction import asked, check_known, costs_of, outputs_of, passes_of
from nlptl.estimators.tasks.prepared import PreparedTask, options_of, read_parts
from nlptl.estimators.tasks.refitting import on_all_rows
from nlptl.estimators.tasks.task import Task, TaskData, as_tasks, gated
from nlptl.estimators.tasks.task_folder import load_tasks, save_tasks
from nlptl.estimators.tasks.variants import JOINT, VARIANTS, TaskComparison, agreed, variants_of
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.judge import HURTS
from nlptl.evaluation.task_affinity import groups_of
from nlptl.fitting.fitted import FittedModel
from nlptl.saving.published import Published
from nlptl.storage.atomic import saved_folder
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import measured
from nlptl.training.loop import History


class MultiTaskModel(Published, NestedParams):
    """Learn several tasks together on one encoder, and let each step aside where that is better.

    The tasks may be of different kinds (one label, several, an order, numbers; of texts or of
    pairs), each with data, head and figure of its own. They are learnt by the plain sum of losses
    that are made comparable [1]_; then each task is held against itself learnt alone, against a
    head on the encoder as it came, and against a short training of its own that goes on from the
    joint encoder, on rows that none of them saw. The best answers for the task; one with less
    than a tenth of the others' rows stays alone unless another way is clearly better.

    Parameters
    ----------
    tasks : dict of str to Task
        By name; ``"auto"`` and other names of kinds stand for ``Task(kind)``.
    encoder : str, Path, TransformerEncoder or None
        As in ``TextClassifier``.
    transfer : transfer, list of transfers or None
        ``FullFineTune`` or ``LoRA``, with ``L2SP`` beside it in a list; None is
        ``FullFineTune()``.
    mixing : Mixing or None
        How often each task is learnt from; None draws them by the root of their sizes.
    balance : {"sum", "uncertainty", "pcgrad"}
        Losses are summed, or weighed by a noise that is learnt, or gradients that work against
        each other are freed of what does (for which ``Mixing(mixed=True)`` is taken).
    gate : bool or list of str
        Hold the tasks, or those named, against themselves alone, frozen and polished; for others
        the joint encoder answers.
    training : TrainingConfig or None
        As in ``TextClassifier``. A task that is no better after ``patience`` epochs is not learnt
        from any more.
    seed : int
    long_texts : {"windows", "cut"}
    pair_encoding : {"auto", "separate", "joint"}
    device : str or None
        As in ``TextClassifier``.

    Attributes
    ----------
    models_ : dict of str to TextClassifier or TextRegressor
        What answers for each task.
    comparisons_ : dict of str to TaskComparison
        How the variants of each task compared, and which was kept.
    affinity_ : Affinity
        Cosines of the gradients of each two tasks, epoch after epoch.
    steps_ : dict of str to int
        Optimiser steps that learnt from each task.
    shared_ : TransformerEncoder
        The encoder that was tuned on all tasks.
    variants_ : dict of str to dict of str to FittedModel
        What was trained of each task on the rows that were not held out; not saved.
    changes_ : dict of str to Change
        What the last ``add_task(how="encoder")`` did to the tasks before it; not saved.
    history_ : History
        Of the joint training.

    References
    ----------
    .. [1] Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning",
       NeurIPS 2022, arXiv:2201.04122.

    Examples
    --------
    >>> from nlptl.data.samples import support_requests
    >>> texts, labels = support_requests()
    >>> lengths = [float(len(text)) for text in texts]
    >>> model = MultiTaskModel(
    ...     {"kind": Task("single_label"), "length": Task("regression")},
    ...     gate=False,
    ...     training=TrainingConfig(max_steps=2, quiet=True),
    ... )
    >>> model = model.fit({"kind": (texts, labels), "length": (texts, lengths)})
    >>> sorted(model.predict(["I was charged twice."]))
    ['kind', 'length']
    """

    kind = "multi-task-model"
    standings_ = RenamedAttribute("comparisons_")

    def __init__(
        self,
        tasks: Any,
        *,
        encoder: Any = None,
        transfer: Any = None,
        mixing: Mixing | None = None,
        balance: str = "sum",
        gate: bool | Collection[str] = True,
        training: TrainingConfig | None = None,
        seed: int = 0,
        long_texts: str = "windows",
        pair_encoding: str = "auto",
        device: str | None = None,
    ) -> None:
        self.tasks = tasks
        self.encoder = encoder
        self.transfer = transfer
        self.mixing = mixing
        self.balance = balance
        self.gate = gate
        self.training = training
        self.seed = seed
        self.long_texts = long_texts
        self.pair_encoding = pair_encoding
        self.device = device

    @measured
    def fit(self, data: Mapping[str, Any]) -> Self:
        """Learn all tasks.

        Parameters
        ----------
        data : mapping of str to (texts, answers) or Corpus
            The rows of each task; texts alone for one that only reads.

        Raises
        ------
        InputError
            If the data of a task cannot be used; the task is named.
        ConfigError
            If options contradict each other.
        """
        tasks = as_tasks(self.tasks)
        check_balance(self.balance)
        judged = gated(tasks, self.gate)
        parts, readings = read_parts(tasks, data, options_of(self))
        joiner = JointTraining(parts, readings, mixing_of(self), self.balance)
        together = joiner.fit()
        variants, standings = {}, {}
        with progress_bar(total=len(judged), unit="task", description="Judging") as bar:
            for name, part in parts.items():
                names = VARIANTS if name in judged else (JOINT,)
                variants[name] = variants_of(part, together, names=names)
                standings[name] = agreed(part, variants[name], seed=self.seed, beside=parts)
                bar.update(name in judged)
        kept, self.variants_ = {n: one.kept for n, one in standings.items()}, variants
        chosen = {name: variants[name][kept[name]] for name in parts}
        return self._keep(parts, *on_all_rows(joiner, together, chosen, kept), standings)

    def predict(self, texts: Any, *, tasks: Iterable[str] | None = None) -> dict[str, Any]:
        """Answer for each text, in every task that takes such texts.

        Parameters
        ----------
        texts : list, array, Series, column or Dataset of length n
            Texts, or pairs of texts: tasks of single texts or of pairs answer.
        tasks : iterable of str, optional
            Ask these only.

        Returns
        -------
        dict of str to answers
            As ``predict`` of the model of each task gives them.

        Raises
        ------
        InputError
            If a task is not known or takes other texts, or none takes these.
        """
        said = self.outputs(texts, tasks=tasks)
        return {name: self.answer(name, found) for name, found in said.items()}

    def answer(self, task: str, outputs: FloatArray) -> Any:
        """Give the answers of a task that belong to its outputs (n, n_outputs)."""
        return self.models_[task].fitted_.decode(outputs)

    def outputs(self, texts: Any, *, tasks: Iterable[str] | None = None) -> dict[str, FloatArray]:
        """Give what each head says: probabilities (n, n_classes), or numbers on their scale (n, 1).

        Tasks that share an encoder are answered from one pass.
        """
        check_is_fitted(self)
        rows = as_rows(texts)
        return outputs_of(self.models_, rows, asked(self.models_, rows, tasks))

    def passes(self, *, pairs: bool = False) -> int:
        """Count the passes that it takes to answer all tasks of texts, or of pairs."""
        check_is_fitted(self)
        return passes_of(self.models_, pairs=pairs)

    def costs(self, texts: Any = None) -> dict[str, dict[str, float]]:
        """Compare what the tasks cost with what a model each would.

        Parameters
        ----------
        texts : list, array, Series, column or Dataset, optional
            Texts, or pairs of them, to answer both ways with a clock beside.

        Returns
        -------
        dict
            ``"together"`` and ``"separate"``, each with passes, MiB of weights of encoders in
            memory and, given texts, texts a second.
        """
        check_is_fitted(self)
        return costs_of(self.models_, None if texts is None else as_rows(texts))

    def evaluate(self, data: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        """Give every figure of merit of each task on labelled rows.

        Parameters
        ----------
        data : mapping of str to (texts, answers) or Corpus
            Of all tasks, or of some.
        """
        check_is_fitted(self)
        found = {}
        for name, given in data.items():
            check_known(self.models_, name)
            rows = TaskData.read(name, given, reads_only=False)
            said = self.outputs(rows.texts, tasks=[name])[name]
            found[name] = self.models_[name].fitted_.figures(said, rows.answers)
        return found

    def score(self, data: Mapping[str, Any]) -> float:
        """Give the mean over tasks, each by its own figure."""
        found = self.evaluate(data)
        return float(np.mean([found[n][str(self.known_[n].metric)] for n in found]))

    def suggest_groups(self) -> list[list[str]]:
        """Say which tasks had better be trained together.

        Tasks whose gradients mostly agree come together; one that was clearly hurt stands alone.
        """
        check_is_fitted(self)
        hurt = {name for name, standing in self.comparisons_.items() if standing.outcome == HURTS}
        return groups_of(self.affinity_, hurt)

    def add_task(
        self,
        name: str,
        task: Any,
        data: Any,
        *,
        how: str = "adapter",
        replay: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn one more task.

        Parameters
        ----------
        name : str
        task : Task or str
        data : (texts, answers) or Corpus
        how : {"adapter", "head", "encoder"}
            An adapter beside the shared encoder with a head on it, or a head alone: what the
            other tasks answer stays the same to the last bit. Or the shared encoder learns on,
            from the new task and from ``replay``; ``changes_`` then says what it did to the
            others, and one that was clearly hurt answers as before.
        replay : mapping of str to (texts, answers) or Corpus, optional
            Rows of every task that answers from the shared encoder, for ``"encoder"``; those that
            a task has not learnt from compare before and after best.

        Raises
        ------
        ConfigError
            If there is a task of that name, ``how`` is not known, or tasks have no replay.
        InputError
            If the data cannot be used.
        """
        check_is_fitted(self)
        self.known_[name] = add_task(self, name, task, data, how=how, replay=replay)
        return self

    def save(self, folder: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
        """Write the model into a folder, and prove that it can be read back.

        The shared encoder is stored once; a task that has one of its own stores how it differs.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a model saved before, which is then replaced.
        notes : dict, optional
            Plain JSON values to keep with the model; ``load`` gives them as ``notes_``.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or the model cannot be saved.
        """
        check_is_fitted(self)
        return save_tasks(self, user_path(folder), notes=notes)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model that ``save`` wrote, checking every file.

        Raises
        ------
        StorageError
            If there is no model, or a newer release wrote it.
        IntegrityError
            If a file is missing or was changed; it is named.
        """
        return load_tasks(cls, saved_folder(folder))

    def export(self, task: str, folder: str | Path, *, format: str = "transformers") -> Path:  # noqa: A002
        """Write one task for those who do not have nlptl, as ``TextClassifier.export`` does.

        Raises
        ------
        InputError
            If there is no such task.
        ConfigError
            If the format is not known, or could not hold it, as it could not hold numbers.
        """
        check_is_fitted(self)
        check_known(self.models_, task)
        model = self.models_[task]
        if not isinstance(model, TextClassifier):
            raise ConfigError(f"Task {task!r} has numbers, and only classifiers are exported.")
        return model.export(folder, format=format)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

    def _keep(
        self,
        parts: Mapping[str, PreparedTask],
        chosen: Mapping[str, FittedModel],
        together: JointResult,
        standings: dict[str, TaskComparison],
    ) -> Self:
        """Take over what was learnt."""
        models: dict[str, TextModel] = {}
        for name, part in parts.items():
            model, fitted = part.model, chosen[name]
            model.transfer_, model.transfer_verdict_ = model.transfer, None
            keep(model, replace(fitted, history=fitted.scorer.history), model.audit_)
            models[name] = model
        self.models_, self.comparisons_ = models, standings
        self.known_: dict[str, Task] = {name: part.task for name, part in parts.items()}
        self.shared_, self.affinity_ = together.encoder, together.affinity
        self.changes_: dict[str, Change] = {}
        self.notes_: dict[str, Any] = {}
        self.steps_: dict[str, int] = together.steps
        self.history_: History | None = together.history
        return self

"""Multi-task model: one encoder and one head per task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.inputs import LongTexts, PairEncoding, TextsLike
from nlptl.base.paths import user_path
from nlptl.base.protocols import EncoderLike
from nlptl.base.renamed import RenamedAttribute
from nlptl.base.specs import NestedParams
from nlptl.base.transfer import TransferLike
from nlptl.data.mixing import Mixing
from nlptl.data.rows import as_rows
from nlptl.estimators.hub_methods import HubMethods
from nlptl.estimators.tasks.adding import add_task
from nlptl.estimators.tasks.prediction import (
    check_known,
    classifier_of,
    costs_of,
    outputs_of,
    passes_of,
    select_tasks,
)
from nlptl.estimators.tasks.task import Task, TaskData
from nlptl.estimators.tasks.task_fit import fit_tasks
from nlptl.estimators.tasks.task_folder import load_tasks, save_tasks
from nlptl.evaluation.task_affinity import groups_of
from nlptl.evaluation.verdict import HURTS, Verdict
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import measured
from nlptl.training.history import History


class MultiTaskModel(HubMethods, NestedParams):
    """Model that trains several tasks on one encoder, and trains a task alone if that is better.

    The tasks may be of different kinds: one label or several labels per text, ordered labels, or
    numbers, for single texts or pairs of texts. Each task has its own data, head and metric. The
    joint training minimises the plain sum of the task losses, each scaled to a comparable
    size [1]_.

    Then each task is compared on held-out rows as four variants:

    - ``"joint"``: the result of the joint training.
    - ``"frozen"``: a head on the encoder before training.
    - ``"polished"``: a short training on this task only, continued from the joint encoder.
    - ``"alone"``: a training on this task only.

    The best variant answers for the task. A small task is an exception if the other tasks
    together have at least ten times its rows: it is kept alone unless another variant is clearly
    better.

    Parameters
    ----------
    tasks : dict of str to Task
        Tasks by name. A kind such as ``"auto"`` is short for ``Task("auto")``.
    encoder : str, Path, TransformerEncoder or None
        As in ``TextClassifier``.
    transfer : transfer, str, list of them or None
        ``FullFineTune`` or ``LoRA``, or a list that combines one of them with ``L2SP``. None uses
        ``FullFineTune()``.
    mixing : Mixing or None
        How often each task is used in training. None samples the tasks in proportion to the
        square root of their numbers of rows.
    balance : {"sum", "uncertainty", "pcgrad"}
        Method to combine the losses. ``"sum"`` adds them. ``"uncertainty"`` weights them by a
        trainable noise per task. ``"pcgrad"`` removes the conflicting parts of the gradients, and
        uses ``Mixing(mixed=True)``.
    gate : bool or list of str
        True compares the variants of every task, a list only those of the named tasks. All
        other tasks are kept joint.
    training : TrainingConfig or None
        As in ``TextClassifier``. The training stops using a task after ``patience`` epochs
        without a better score of this task.
    seed : int
    long_texts : {"windows", "cut"}
    pair_encoding : {"auto", "separate", "joint"}
    device : str or None
        As in ``TextClassifier``.

    Attributes
    ----------
    models_ : dict of str to TextClassifier or TextRegressor
        Fitted model of each task.
    comparisons_ : dict of str to Verdict
        Verdict on the variants of each task (joint, frozen, polished, alone) on held-out rows.
    affinity_ : Affinity
        Cosine similarities of the gradients of each pair of tasks, per epoch.
    steps_ : dict of str to int
        Number of optimiser steps that trained each task.
    shared_ : TransformerEncoder
        The encoder that was trained on all tasks.
    variants_ : dict of str to dict of str to FittedModel
        Variants of each task, trained on the rows that were not held out. Not saved.
    changes_ : dict of str to Verdict
        Verdict on each earlier task after and before the last ``add_task(how="encoder")``. Not
        saved.
    history_ : History
        History of the joint training.

    References
    ----------
    .. [1] Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning",
       NeurIPS 2022, arXiv:2201.04122.

    Examples
    --------
    >>> from nlptl.data.samples import support_requests
    >>> texts, labels = support_requests()
    >>> texts, labels = texts[::5], labels[::5]
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
        tasks: Mapping[str, Task | str],
        *,
        encoder: EncoderLike | None = None,
        transfer: TransferLike | None = None,
        mixing: Mixing | None = None,
        balance: str = "sum",
        gate: bool | Collection[str] = True,
        training: TrainingConfig | None = None,
        seed: int = 0,
        long_texts: LongTexts = "windows",
        pair_encoding: PairEncoding = "auto",
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
    def fit(self, data: Mapping[str, object]) -> Self:
        """Fit all tasks.

        Parameters
        ----------
        data : mapping of str to (texts, answers) or Corpus
            The rows of each task. Texts alone for a task of kind ``"language_model"``.

        Raises
        ------
        InputError
            If the data of a task cannot be used. The message names the task.
        ConfigError
            If options contradict each other.
        """
        result = fit_tasks(self, data)
        # A failed fit leaves this object unchanged, so attributes are set only here.
        self.models_, self.known_ = result.models, result.tasks
        self.comparisons_, self.variants_ = result.comparisons, result.variants
        together = result.together
        self.shared_, self.affinity_ = together.encoder, together.affinity
        self.steps_: dict[str, int] = together.steps
        self.history_: History | None = together.history
        self.changes_: dict[str, Verdict] = {}
        self.notes_: dict[str, Any] = {}
        return self

    def predict(self, texts: TextsLike, *, tasks: Iterable[str] | None = None) -> dict[str, Any]:
        """Predict a label or number for each text, in every task that takes such texts.

        Parameters
        ----------
        texts : list, array, Series, column or Dataset of length n
            Single texts or pairs of texts. They select the tasks of single texts or of pairs.
        tasks : iterable of str, optional
            Predict only these tasks.

        Returns
        -------
        dict of str to answers
            For each task, the same as ``predict`` of its model returns.

        Raises
        ------
        InputError
            If a task does not exist or takes another kind of texts, or no task takes these texts.
        """
        outputs = self.outputs(texts, tasks=tasks)
        return {name: self.answer(name, task_outputs) for name, task_outputs in outputs.items()}

    def answer(self, task: str, outputs: FloatArray) -> Any:
        """Convert the outputs of a task, of shape (n, n_outputs), to labels or numbers."""
        return self.models_[task].fitted_.decode(outputs)

    def outputs(
        self, texts: TextsLike, *, tasks: Iterable[str] | None = None
    ) -> dict[str, FloatArray]:
        """Return the outputs of each task.

        Outputs are probabilities of shape (n, n_classes), or numbers on their original scale of
        shape (n, 1). Tasks that share an encoder share one pass.
        """
        check_is_fitted(self)
        rows = as_rows(texts)
        return outputs_of(self.models_, rows, select_tasks(self.models_, rows, tasks))

    def passes(self, *, pairs: bool = False) -> int:
        """Count the encoder passes that all tasks of single texts need, or all tasks of pairs."""
        check_is_fitted(self)
        return passes_of(self.models_, pairs=pairs)

    def costs(self, texts: TextsLike | None = None) -> dict[str, dict[str, float]]:
        """Compare the cost of this model with the cost of one separate model per task.

        Parameters
        ----------
        texts : list, array, Series, column or Dataset, optional
            Texts, or pairs of texts, to time both ways.

        Returns
        -------
        dict
            ``"together"`` and ``"separate"``. Each has the number of passes and the MiB of
            encoder weights in memory. If ``texts`` is passed, each also has the speed in texts
            per second.
        """
        check_is_fitted(self)
        return costs_of(self.models_, None if texts is None else as_rows(texts))

    def evaluate(self, data: Mapping[str, object]) -> dict[str, dict[str, float]]:
        """Compute all metrics of each task on labelled rows.

        Parameters
        ----------
        data : mapping of str to (texts, answers) or Corpus
            Rows of all tasks, or of some tasks.
        """
        check_is_fitted(self)
        metrics = {}
        for name, task_data in data.items():
            check_known(self.models_, name)
            rows = TaskData.read(name, task_data, reads_only=False)
            outputs = self.outputs(rows.texts, tasks=[name])[name]
            metrics[name] = self.models_[name].fitted_.figures(outputs, rows.answers)
        return metrics

    def score(self, data: Mapping[str, object]) -> float:
        """Return the mean over the tasks, using the metric of each task."""
        metrics = self.evaluate(data)
        return float(np.mean([metrics[n][str(self.known_[n].metric)] for n in metrics]))

    def suggest_groups(self) -> list[list[str]]:
        """Return groups of tasks that should be trained together.

        Tasks whose gradients mostly agree form a group. A task that was clearly hurt by the joint
        training is a group by itself.
        """
        check_is_fitted(self)
        comparisons = self.comparisons_.items()
        hurt = {name for name, comparison in comparisons if comparison.outcome == HURTS}
        return groups_of(self.affinity_, hurt)

    def add_task(
        self,
        name: str,
        task: Task | str,
        data: object,
        *,
        how: str = "adapter",
        replay: Mapping[str, object] | None = None,
    ) -> Self:
        """Fit an additional task.

        Parameters
        ----------
        name : str
        task : Task or str
        data : (texts, answers) or Corpus
        how : {"adapter", "head", "encoder"}
            ``"adapter"`` trains an adapter on the shared encoder, and a head. ``"head"`` trains a
            head alone. With both, the outputs of the other tasks stay the same to the last bit.
            ``"encoder"`` continues to train the shared encoder, on the new task and on
            ``replay``. ``changes_`` then has the effect on the other tasks. A task that was
            clearly hurt answers as before.
        replay : mapping of str to (texts, answers) or Corpus, optional
            For ``how="encoder"``: rows of every task that uses the shared encoder. Rows that a
            task was not trained on give the fairest comparison of before and after.

        Raises
        ------
        ConfigError
            If the model already has a task of that name, ``how`` is not known, or ``replay`` does
            not fit ``how``.
        InputError
            If the data cannot be used.
        """
        check_is_fitted(self)
        self.known_[name] = add_task(self, name, task, data, how=how, replay=replay)
        return self

    def save(self, folder: str | Path, *, notes: Mapping[str, object] | None = None) -> Path:
        """Write the model into a folder, and check that it reads back equal.

        The shared encoder is stored once. A task with a private encoder stores the difference.

        Parameters
        ----------
        folder : str or Path
            A new folder, or a folder with a saved model, which is then replaced.
        notes : dict, optional
            Plain JSON values to store with the model. ``load`` returns them as ``notes_``.

        Raises
        ------
        StorageError
            If the folder has other content, cannot be written, or the model cannot be saved.
        """
        check_is_fitted(self)
        return save_tasks(self, user_path(folder), notes=notes)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a model that ``save`` wrote, and check every file.

        Raises
        ------
        StorageError
            If there is no model, or a newer release wrote it.
        IntegrityError
            If a file is missing or was changed. The message names the file.
        """
        return load_tasks(cls, folder)

    def export(self, task: str, folder: str | Path, *, format: str = "transformers") -> Path:  # noqa: A002
        """Write one task in a format that works without nlptl, as ``TextClassifier.export`` does.

        Raises
        ------
        InputError
            If there is no such task.
        ConfigError
            If the format is not known, or cannot represent the task. No format takes numbers.
        """
        check_is_fitted(self)
        return classifier_of(self.models_, task).export(folder, format=format)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

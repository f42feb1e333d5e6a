"""Common base of the text estimators: audit, fit, save, load and distill."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.inputs import LabelsLike, LongTexts, OnHarm, PairEncoding, TextsLike
from nlptl.base.paths import user_path
from nlptl.base.specs import NestedParams
from nlptl.data.audit import AuditReport
from nlptl.data.corpus import Corpus
from nlptl.data.rows import rows_to_predict
from nlptl.estimators.hub_methods import HubMethods
from nlptl.estimators.model_fit import fit_model
from nlptl.estimators.plans import audit_rows, keep, plan_of
from nlptl.estimators.students import teach
from nlptl.estimators.vector_methods import VectorMethods
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fitted import FittedModel
from nlptl.saving.model_folder import load_model, save_model
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import measured
from nlptl.training.history import History
from nlptl.transfer.instances.source_weights import SourceWeights

logger = logging.getLogger(__name__)


class TextModel(HubMethods, VectorMethods, NestedParams):
    """Base class of ``TextClassifier`` and ``TextRegressor``. It is not used directly.

    A subclass defines how targets are encoded (``codec_kind``), which head is the default, and
    how outputs of the head become predictions.

    Attributes
    ----------
    audit_ : AuditReport
        Problems and statistics of the training data.
    history_ : History or None
        Losses and scores of the training. None if no network was trained.
    transfer_ : transfer, list of transfers or None
        The transfer in use: ``transfer``, the recommended ones for a source, or the choice of
        ``Auto``.
    transfer_verdict_ : Choice or None
        The trials of ``Auto`` or of ``on_harm``. None without both.
    weights_ : SourceWeights or None
        Weights of the source rows with their texts, from ``DensityRatioWeights`` and similar
        methods. They are not saved with the model.
    notes_ : dict
        Notes that were saved with the model. Empty after ``fit``.
    """

    kind: ClassVar[str]
    """Name of the kind of model in the manifest of a saved model."""

    codec_kind: ClassVar[Any]
    """Class that encodes labels or numbers for the head and decodes its outputs."""

    kept_options: ClassVar[tuple[str, ...]] = ("seed", "long_texts", "pair_encoding", "on_harm")
    """Parameters with plain values that are saved with the model."""

    encoder: Any
    transfer: Any
    head: Any
    training: TrainingConfig | None
    seed: int
    long_texts: LongTexts
    pair_encoding: PairEncoding
    device: str | None
    on_harm: OnHarm | None

    fitted_: FittedModel
    audit_: AuditReport
    history_: History | None
    transfer_: Any
    transfer_verdict_: Choice | None
    notes_: dict[str, Any]

    def audit(
        self,
        texts: TextsLike,
        labels: LabelsLike | None = None,
        *,
        others: Mapping[str, TextsLike] | None = None,
    ) -> AuditReport:
        """Check data for problems before a fit. ``fit`` runs the same checks.

        Parameters
        ----------
        texts, labels
            As for ``fit``.
        others : dict of name to texts, optional
            Additional splits, such as a test split, that are searched for rows of ``texts``.

        Returns
        -------
        AuditReport
        """
        plan = plan_of(self)
        return audit_rows(plan, plan.rows(texts), labels, others=others)

    def save(self, folder: str | Path, *, notes: Mapping[str, object] | None = None) -> Path:
        """Write the model into a folder and check that it can be loaded again.

        The folder is written completely or not at all. Before this method returns, it loads the
        written model and compares its predictions with those of this model.

        Parameters
        ----------
        folder : str or Path
            A new folder, or a folder with a saved model, which is replaced.
        notes : dict, optional
            Plain JSON values to store with the model. ``load`` restores them as ``notes_``.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or the model cannot be saved.
        """
        check_is_fitted(self)
        logger.info("Saving the model to %s", folder)
        return save_model(self, user_path(folder), notes=notes)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a model that ``save`` wrote, and check every file.

        Raises
        ------
        StorageError
            If the folder holds no model, or a newer release of nlptl wrote it.
        IntegrityError
            If a file is missing or was changed. The message names the file.
        """
        return load_model(cls, folder)

    def distill(
        self, texts: TextsLike, *, student: Self | None = None, labelled: Corpus | None = None
    ) -> Self:
        """Fit a small, fast student model to the predictions of this model on texts [1]_.

        Parameters
        ----------
        texts
            Unlabelled texts, as for ``predict``. They should resemble the texts of later use.
        student : model of the same kind, optional
            An unfitted model. None is a model on pooled word vectors, which predicts thousands of
            texts per second. A student is fitted to the probabilities of all classes if each text
            has one label, its encoder is frozen, its head is ``LogisticHead`` or None, and it has
            no other transfer. Any other student is fitted to the predicted labels or numbers.
        labelled : Corpus, optional
            Labelled texts that the student is fitted to as well.

        Raises
        ------
        ConfigError
            If the student is of another kind.
        InputError
            If the texts cannot be used, or there are none.

        References
        ----------
        .. [1] Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
           arXiv:1503.02531.
        """
        taught: Self = teach(self, texts, student=student, labelled=labelled)
        return taught

    @property
    def weights_(self) -> SourceWeights | None:
        """Weights of the source rows with their texts, if the transfer computed some."""
        check_is_fitted(self)
        return self.fitted_.weights

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def _outputs(self, texts: TextsLike) -> Any:
        """Return the outputs of the head for texts: (n, n_outputs)."""
        check_is_fitted(self)
        rows = rows_to_predict(texts, self.fitted_.rows)
        if not len(rows):
            return np.zeros((0, self.fitted_.codec.n_outputs))
        return self.fitted_.outputs(rows)

    @measured
    def _fit(self, texts: TextsLike, answers: LabelsLike, **more: Any) -> Self:
        """Fit the model. ``more`` holds the other arguments of ``fit``."""
        result = fit_model(self, texts, answers, more)
        # A failed fit leaves this object unchanged, so attributes are set only here.
        self.transfer_ = result.transfer
        self.transfer_verdict_ = result.choice
        keep(self, result.fitted, result.report)
        return self

"""What every model of texts has in common: rows in, features, a fitted head, a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.base.specs import NestedParams
from nlptl.data.audit import AuditReport, audit
from nlptl.data.columns import read_once
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.encoders.static.tokens import Coverage
from nlptl.estimators.auto import choose_transfer
from nlptl.estimators.plans import audit_rows, keep, plan_of
from nlptl.estimators.students import teach
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fit import fit, read_data
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.plan import FitPlan, rows_for, token_lengths
from nlptl.fitting.training_data import is_empty
from nlptl.fitting.transfers import as_transfers
from nlptl.saving.model_folder import load_model, save_model
from nlptl.saving.published import Published
from nlptl.storage.atomic import saved_folder
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import measured
from nlptl.training.loop import History
from nlptl.transfer.automatic import Auto


class TextModel(Published, NestedParams):
    """The common part of ``TextClassifier`` and ``TextRegressor``; not used by itself.

    A kind of model says how answers become codes (``codec_kind``), which head it takes where
    none is given, and how it reads what the head answers.

    Attributes
    ----------
    audit_ : AuditReport
        What a look at the training data found.
    history_ : History or None
        Losses and scores, where a network was trained.
    transfer_ : transfer, list of transfers or None
        What was carried over: ``transfer``, or what ``Auto`` chose.
    transfer_verdict_ : Choice or None
        What ``Auto`` tried.
    notes_ : dict
        What was given to ``save`` beside the model.
    """

    kind: ClassVar[str]
    """What the manifest of a saved model says it is."""

    codec_kind: ClassVar[Any]
    """From answers to codes and back."""

    kept_options: ClassVar[tuple[str, ...]] = ("seed", "long_texts", "pair_encoding")
    """Plain options that are saved with the model."""

    encoder: Any
    transfer: Any
    head: Any
    training: TrainingConfig | None
    seed: int
    long_texts: str
    pair_encoding: str
    device: str | None

    fitted_: FittedModel
    audit_: AuditReport
    history_: History | None
    transfer_: Any
    transfer_verdict_: Choice | None
    notes_: dict[str, Any]

    def audit(
        self, texts: Any, labels: Any = None, *, others: dict[str, Any] | None = None
    ) -> AuditReport:
        """Look at data before training on it, as ``fit`` does.

        Parameters
        ----------
        texts, labels
            As for ``fit``.
        others : dict of name to texts, optional
            Further splits, to be searched for rows of ``texts``.

        Returns
        -------
        AuditReport
        """
        plan = plan_of(self)
        rows = plan.rows(texts)
        lengths = token_lengths(plan.encoder, rows)
        return audit(rows, labels, others=others, numeric=plan.numeric, **lengths)

    def coverage(self, texts: Any) -> Coverage | None:
        """Say what share of the words of some texts the word vectors know.

        Returns
        -------
        Coverage or None
            None where the encoder reads every text, as transformers and distilled vectors do.
        """
        check_is_fitted(self)
        encoder = self.fitted_.features.encoder
        if not isinstance(encoder, StaticEncoder) or encoder.is_complete:
            return None
        rows = rows_for(encoder, texts)
        sides = [rows.side(0), rows.side(1)] if rows.are_pairs else [rows]
        return encoder.coverage([str(text) for side in sides for text in side.texts])

    def save(self, folder: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
        """Write the model into a folder, and prove that it can be read back.

        The folder appears whole or not at all. Before this returns, the model is read from it
        and its answers are compared with this one's.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a model saved before, which is then replaced.
        notes : dict, optional
            Plain JSON values to keep with the model; ``load`` gives them as ``notes_``.

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
        return save_model(self, user_path(folder), notes=notes)

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
        return load_model(cls, saved_folder(folder))

    def distill(self, texts: Any, *, student: Self | None = None, labelled: Any = None) -> Self:
        """Teach a small, fast model what this one says of texts without labels [1]_.

        Parameters
        ----------
        texts
            As for ``predict``: the more like those to come, the better.
        student : model of the same kind, optional
            Not fitted. None pools word vectors, thousands of texts a second. With a frozen encoder
            and ``LogisticHead`` (or none) alone it learns the probabilities of all classes, of
            texts with one label; else the answers.
        labelled : Corpus, optional
            Texts whose labels are known: they are learnt from beside the others.

        Raises
        ------
        ConfigError
            If the student is of another kind.
        InputError
            If texts cannot be used, or there are none.

        References
        ----------
        .. [1] Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
           arXiv:1503.02531.
        """
        taught: Self = teach(self, texts, student=student, labelled=labelled)
        return taught

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    @measured
    def _fit(self, texts: Any, answers: Any, **more: Any) -> Self:
        """Fit the model; ``more`` are the other arguments of ``fit``."""
        texts, answers = self._read_once(texts), self.codec_kind.read(answers)
        plan = plan_of(self)
        choice = self._choice(plan, texts, answers, **more)
        if choice is not None:
            plan = replace(plan, transfers=as_transfers(choice.transfer), is_chosen=True)
        data = read_data(plan, texts, answers, **more)
        report = audit_rows(plan, data.rows, answers)
        fitted = fit(plan, data)
        # Nothing of this object changes before the whole fit is done.
        self.transfer_ = self.transfer if choice is None else choice.transfer
        self.transfer_verdict_ = choice
        keep(self, fitted, report)
        return self

    def _choice(
        self,
        plan: FitPlan,
        texts: Any,
        answers: Any,
        *,
        unlabeled: Any,
        sample_weight: Any,
        **unused: Any,
    ) -> Choice | None:
        """Return what ``Auto`` chooses, if it is to choose."""
        auto = Auto() if self.transfer == "auto" else self.transfer
        if not isinstance(auto, Auto):
            return None
        for name, value in unused.items():
            if value is not None:
                raise ConfigError(
                    f"fit was given {name}=..., but Auto() judges on splits of the rows "
                    "themselves. Leave it out."
                )
        return choose_transfer(self, plan, (texts, answers, unlabeled), auto=auto)

    def _read_once(self, texts: Any) -> Any:
        """Read the texts of a fit, unless there are none: names of classes may be enough."""
        several = read_once(texts)
        return several if is_empty(several) else rows_for(self.encoder, several)

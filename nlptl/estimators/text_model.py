"""What every model of texts has in common: rows in, features, a fitted head, a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import Features
from nlptl.base.specs import NestedParams
from nlptl.data.audit import AuditReport, audit
from nlptl.data.corpus import as_corpora
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.encoders.static.encoder import StaticEncoder
from nlptl.encoders.static.tokens import Coverage
from nlptl.estimators.bulk.sharded import features_sharded
from nlptl.estimators.fitting.choosing import (
    check_head,
    default_head,
    dense,
    fusion_of,
    in_codes,
    is_solver,
    labelled_rows,
    reads_jointly,
    suited,
    targets_of,
    token_lengths,
    with_options,
)
from nlptl.estimators.fitting.scoring import (
    FitPlan,
    Fitted,
    FittedScorer,
    fit_network_scorer,
    fit_solver_scorer,
)
from nlptl.estimators.fitting.transfers import as_transfers
from nlptl.estimators.fitting.tuning import TUNING, Tuner, frozen_start
from nlptl.estimators.folder import load_model, save_model
from nlptl.heads.deciding.imbalance import Imbalance
from nlptl.heads.deciding.scale import NumberScale
from nlptl.training.config import LoopConfig, TrainingConfig
from nlptl.training.loop import History
from nlptl.training.networks.features import NetworkRecipe
from nlptl.transfer.features.frozen import FrozenFeatures

_PROBE = 8


class TextModel(NestedParams):
    """The common part of ``TextClassifier`` and ``TextRegressor``; not used by itself.

    A kind of model says how answers become codes (``codec_kind``), which head it takes where
    none is given, and how it reads what the head answers.

    Attributes
    ----------
    audit_ : AuditReport
        What a look at the training data found.
    history_ : History or None
        Losses and scores, where a network was trained.
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

    fitted_: Fitted
    audit_: AuditReport
    history_: History | None
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
        rows = self._rows(texts)
        lengths = token_lengths(self._encoder(), rows)
        numeric = self.codec_kind is NumberScale
        return audit(rows, labels, others=others, numeric=numeric, **lengths)

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
        rows = self._rows(texts)
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
        return save_model(self, Path(folder), notes=notes)

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
        return load_model(cls, Path(folder))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def figures(self, outputs: FloatArray, answers: Any) -> dict[str, float]:
        """Give every figure of merit, from ``outputs`` of texts and their answers."""
        raise NotImplementedError

    def outputs(self, texts: Any) -> FloatArray:
        """Give what the head says of each text: (n, n_outputs)."""
        check_is_fitted(self)
        rows = self._rows(texts)
        if rows.are_pairs != self.fitted_.probe.are_pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.fitted_.probe.are_pairs]}, got "
                f"{kinds[rows.are_pairs]}, the first being {rows[0]!r}."
            )
        return self._answer(self.fitted_.features.transform(rows))

    def _learn(
        self,
        texts: Any,
        answers: Any,
        *,
        source: Any,
        unlabeled: Any,
        validation: Any,
        sample_weight: Any,
    ) -> Self:
        """Go from texts to a fitted model: the one way, for every kind of answers."""
        encoder, transfers = self._encoder(), as_transfers(self.transfer)
        tunes, main = transfers.tunes, transfers.main
        self._refuse_unused(main, source=source, validation=None if tunes else validation)
        rows = self._rows(texts)
        codec = self.codec_kind.learn(answers)
        check_head(self.head, codec)
        targets = targets_of(codec, answers, sample_weight, rows)
        further = self._further(unlabeled, encoder)
        report = self.audit(rows, answers)
        joint = reads_jointly(self.pair_encoding, encoder, tunes=tunes)
        if tunes:
            features = frozen_start(transfers, encoder, rows, targets, joint=joint)
        else:
            features = main.learn(encoder, rows, targets, further=further, joint=joint)
        plan, scorer = self._fit_scorer(encoder, features, rows, targets, codec)
        if tunes:
            unseen = labelled_rows(validation, codec)
            tuner = Tuner(transfers, features, replace(plan, config=self._training(TUNING)))
            features, scorer = tuner.fit(scorer, rows, targets, validation=unseen)
        # Nothing of this object changes before all of it is there.
        probe = rows.take(np.arange(min(_PROBE, len(rows))))
        return self._keep(Fitted(codec, features, scorer, probe), report, scorer.history)

    def _keep(self, fitted: Fitted, report: AuditReport, history: History | None) -> Self:
        """Take over what was learnt, or read from a folder."""
        self.fitted_, self.audit_, self.history_ = fitted, report, history
        self.notes_ = {}
        return self

    def _fit_scorer(
        self, encoder: Any, features: FrozenFeatures, rows: Rows, targets: Targets, codec: Any
    ) -> tuple[FitPlan, FittedScorer]:
        tunes = as_transfers(self.transfer).tunes
        # Where an encoder is tuned, every process of a launch is here.
        found = features_sharded(features, rows) if tunes else features.transform(rows)
        head = self._head(encoder, found, targets)
        solver = is_solver(head, encoder)
        imbalance = self._imbalance(targets, solver=solver, tunes=tunes)
        plan = FitPlan(self._training(LoopConfig()), imbalance, self.seed, self.device)
        if solver:
            ready = in_codes(suited(head, found), codec)
            scorer = fit_solver_scorer(ready, found, targets, plan)
            return plan, replace(scorer, head=head)
        recipe = NetworkRecipe(head, fusion_of(encoder), features.groups(rows), targets.n_outputs)
        return plan, fit_network_scorer(recipe, dense(found), targets, plan)

    def _answer(self, features: Features) -> FloatArray:
        """Give what the head says of features: (n, n_outputs)."""
        raise NotImplementedError

    def _head(self, encoder: Any, features: Features, targets: Targets) -> Any:
        """Give the head asked for, or the one that suits the data."""
        return default_head(self.head, encoder, features, targets, seed=self.seed)

    def _imbalance(self, targets: Targets, *, solver: bool, tunes: bool) -> Imbalance | None:
        """Give the treatment of rare classes."""
        return None

    def _encoder(self) -> Any:
        given = self.encoder
        named = given is None or isinstance(given, str | Path)
        encoder = TransformerEncoder(given) if named else given
        if not hasattr(encoder, "transform"):
            raise ConfigError(
                f"encoder must be a name, a folder or an encoder, got {type(given).__name__}."
            )
        return with_options(encoder, device=self.device, long_texts=self.long_texts)

    def _training(self, chosen: LoopConfig) -> LoopConfig:
        return chosen if self.training is None else self.training.over(chosen)

    def _rows(self, texts: Any) -> Rows:
        # A fused encoder says which columns of a table are read.
        given = self.encoder
        return given.rows(texts) if isinstance(given, FusedEncoder) else as_rows(texts)

    def _further(self, unlabeled: Any, encoder: Any) -> Rows:
        corpora = as_corpora(unlabeled, argument="unlabeled")
        if corpora and not getattr(encoder, "learns_from_text", True):
            self._refuse("unlabeled", f"this {type(encoder).__name__} learns nothing from text")
        return Rows([text for corpus in corpora.values() for text in corpus.rows.texts])

    def _refuse_unused(self, transfer: Any, **given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                as_corpora(value, argument=name)
                self._refuse(name, f"{type(transfer).__name__}() does not use it")

    @staticmethod
    def _refuse(name: str, reason: str) -> None:
        raise ConfigError(f"fit was given {name}=..., but {reason}. Leave it out.")

"""What every model of texts has in common: rows in, features, a fitted head, a folder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.paths import user_path
from nlptl.base.protocols import Features
from nlptl.base.specs import NestedParams
from nlptl.data.audit import AuditReport, audit
from nlptl.data.columns import read_once
from nlptl.data.corpus import as_corpora
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.encoders.static.tokens import Coverage
from nlptl.estimators.auto import choose_transfer
from nlptl.estimators.bulk.sharded import features_sharded
from nlptl.estimators.students import teach
from nlptl.evaluation.choice import Choice
from nlptl.fitting.contrastive_stage import contrast, contrast_config
from nlptl.fitting.extra_rows import check_further, self_trained, with_edits, with_source
from nlptl.fitting.finetuning import TUNING, FineTuner, frozen_start
from nlptl.fitting.fitted import (
    FittedHead,
    FittedModel,
    TrainingPlan,
    fit_network_scorer,
    fit_solver_scorer,
)
from nlptl.fitting.plan import (
    check_head,
    default_head,
    dense,
    fusion_of,
    in_codes,
    is_solver,
    labelled_rows,
    reads_jointly,
    suited,
    token_lengths,
    with_options,
)
from nlptl.fitting.training_data import (
    TrainingData,
    is_empty,
    learn_from,
    with_entailment,
    with_meaning,
)
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.saving.model_folder import load_model, save_model
from nlptl.saving.published import Published
from nlptl.storage.atomic import saved_folder
from nlptl.training.config import LoopConfig, TrainingConfig
from nlptl.training.cost import measured
from nlptl.training.loop import History
from nlptl.training.networks.feature_network import NetworkRecipe
from nlptl.transfer.automatic import Auto
from nlptl.transfer.features.frozen import TextFeatures


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

    def figures(self, outputs: FloatArray, answers: Any) -> dict[str, float]:
        """Give every figure of merit, from ``outputs`` of texts and their answers."""
        raise NotImplementedError

    def outputs(self, texts: Any) -> FloatArray:
        """Give what the head says of each text: (n, n_outputs)."""
        rows = self._checked_rows(texts)
        return self._answer(self.fitted_.features.transform(rows))

    def _checked_rows(self, texts: Any) -> Rows:
        """Read texts for a fitted model, and refuse pairs where it knows single texts."""
        check_is_fitted(self)
        rows = self._rows(texts)
        if rows.are_pairs != self.fitted_.probe.are_pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.fitted_.probe.are_pairs]}, got "
                f"{kinds[rows.are_pairs]}, the first being {rows[0]!r}."
            )
        return rows

    @measured
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
        texts, answers = self._read_once(texts), self.codec_kind.read(answers)
        further = self._further(unlabeled)
        unused = {"source": source, "validation": validation}
        chosen, choice = self._chosen(texts, answers, unlabeled, **unused)
        encoder, transfers = self._encoder(), as_transfers(chosen)
        stops = transfers.tunes and not transfers.refits_head
        self._refuse_unused(transfers, validation=None if stops else validation)
        given = texts, answers, sample_weight
        data = learn_from(self.codec_kind, self._rows, given, transfers)
        data = with_edits(with_source(data, source), seed=self.seed)
        rows, codec = data.rows, data.codec
        check_head(self.head, codec)
        encoder = with_entailment(encoder, data, device=self.device)
        check_further(further, data, encoder if choice is None else None)
        report = self.audit(rows, answers)
        if not transfers.tunes:
            joint = reads_jointly(self.pair_encoding, encoder, tunes=False)
            features = transfers.main.learn(
                encoder,
                rows,
                data.targets,
                further=data.read(further),
                joint=joint,
            )
            scorer, history = self._fit_scorer(encoder, features, data), None
        else:
            unseen = labelled_rows(validation, codec)
            features, scorer, history = self._tune(encoder, data, unseen)
        if transfers.selftraining is not None:
            refit = partial(self._fit_scorer, encoder, features)
            scorer = self_trained(data, features, scorer, further, refit)
        # Nothing of this object changes before all of it is there.
        fitted = FittedModel(codec, features, scorer, data.probe)
        self.transfer_, self.transfer_verdict_ = chosen, choice
        return self._keep(fitted, report, scorer.history or history)

    def _chosen(
        self, texts: Any, answers: Any, unlabeled: Any, **unused: Any
    ) -> tuple[Any, Choice | None]:
        """Give the transfer asked for, or the one that the rows speak for."""
        auto = Auto() if self.transfer == "auto" else self.transfer
        if not isinstance(auto, Auto):
            return self.transfer, None
        for name, value in unused.items():
            if value is not None:
                self._refuse(name, "Auto() judges on splits of the rows themselves")
        choice = choose_transfer(self, (texts, answers, unlabeled), auto=auto)
        return choice.transfer, choice

    def _tune(
        self, encoder: Any, data: TrainingData, unseen: tuple[Rows, Targets] | None
    ) -> tuple[TextFeatures, FittedHead, History | None]:
        """Let the encoder learn, together with the head or before it."""
        rows, targets, transfers = (
            data.rows,
            data.targets,
            data.transfers,
        )
        joint = reads_jointly(self.pair_encoding, encoder, tunes=True)
        start = frozen_start(transfers, encoder, rows, targets, joint=joint)
        if not len(rows):  # only names are known: nothing could be tuned
            return start, self._fit_scorer(encoder, start, data), None
        if transfers.refits_head:
            self._imbalance(targets, solver=True, tunes=False)  # refused before, not after
            chosen = contrast_config(transfers, len(rows), targets.n_outputs)
            config = self._training(chosen)
            body = TunedEncoder(
                transfers, start, TrainingPlan(config, None, self.seed, self.device)
            )
            features, history = contrast(body, *data.with_names)
            unmoved = features is start
            return (
                features,
                self._fit_scorer(encoder, features, data, unseen=unmoved),
                history,
            )
        scorer = self._fit_scorer(encoder, start, data)
        imbalance = self._imbalance(targets, solver=scorer.recipe is None, tunes=True)
        plan = TrainingPlan(self._training(TUNING), imbalance, self.seed, self.device)
        tuner = FineTuner(TunedEncoder(transfers, start, plan))
        return (*tuner.fit(scorer, rows, targets, validation=unseen), None)

    def _keep(self, fitted: FittedModel, report: AuditReport, history: History | None) -> Self:
        """Take over what was learnt, or read from a folder."""
        self.fitted_, self.audit_, self.history_ = fitted, report, history
        self.notes_ = {}
        return self

    def _fit_scorer(
        self,
        encoder: Any,
        features: TextFeatures,
        data: TrainingData,
        *,
        unseen: bool = True,
    ) -> FittedHead:
        """Fit the head; ``unseen`` says that the features do not come from the labels."""
        (rows, targets), transfers = data.all_rows, data.transfers
        unseen = unseen and data.extra is None
        tunes = transfers.tunes
        # Where an encoder is tuned, every process of a launch is here.
        found = features_sharded(features, rows) if tunes else features.transform(rows)
        head = self._head(encoder, found, data, unseen=unseen)
        solver = is_solver(head, encoder)
        learns = tunes and not transfers.refits_head
        imbalance = self._imbalance(targets, solver=solver, tunes=learns)
        plan = TrainingPlan(self._training(LoopConfig()), imbalance, self.seed, self.device, unseen)
        if solver:
            ready = data.knowing(in_codes(suited(head, found), data.codec), features)
            return replace(fit_solver_scorer(ready, found, targets, plan), head=head)
        recipe = NetworkRecipe(head, fusion_of(encoder), features.groups(rows), targets.n_outputs)
        return fit_network_scorer(recipe, dense(found), targets, plan)

    def _answer(self, features: Features) -> FloatArray:
        """Give what the head says of features: (n, n_outputs)."""
        raise NotImplementedError

    def _head(self, encoder: Any, features: Features, data: TrainingData, *, unseen: bool) -> Any:
        """Give the head asked for, or the one that suits the data."""
        meaning, base = data.transfers.meaning, self.head
        if base is None and not unseen and not data.targets.numeric:
            base = LogisticHead(C=DEFAULT_C)  # no row is left that could choose a strength
        if meaning is not None:
            return with_meaning(base, meaning, unseen=unseen)
        return default_head(base, encoder, features, data.targets, seed=self.seed)

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

    def _read_once(self, texts: Any) -> Any:
        """Read the texts of a fit, unless there are none: names of classes may be enough."""
        several = read_once(texts)
        return several if is_empty(several) else self._rows(several)

    def _further(self, unlabeled: Any) -> Rows:
        corpora = as_corpora(unlabeled, argument="unlabeled")
        return Rows([text for corpus in corpora.values() for text in corpus.rows.texts])

    def _refuse_unused(self, transfers: Transfers, **given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                as_corpora(value, argument=name)
                named = " with ".join(f"{type(one).__name__}()" for one in transfers)
                self._refuse(name, f"{named} does not use it")

    @staticmethod
    def _refuse(name: str, reason: str) -> None:
        raise ConfigError(f"fit was given {name}=..., but {reason}. Leave it out.")

import numpy as np
import pytest

from nlptl import (
    CORAL,
    MMD,
    ClassConfusion,
    Contrastive,
    Corpus,
    DomainAdversarial,
    FullFineTune,
    MeanAlignment,
    MultiTaskModel,
    SelfTraining,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import KINDS_OF_DATA
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfer_checks import check_batches, check_one_task, check_supported
from nlptl.fitting.transfers import as_transfers
from nlptl.training.config import LoopConfig
from nlptl.transfer.registry import METHODS

TEXTS = ["late", "help"]
DATA = {
    "pairs": TrainingData(Rows([("a", "b"), ("c", "d")]), Targets(np.array([0, 1]), 2), None),
    "several labels": TrainingData(Rows(TEXTS), Targets(np.eye(2, dtype=np.int64), 2), None),
    "numbers": TrainingData(Rows(TEXTS), Targets(np.array([0.5, -0.5]), 1), None),
}


@pytest.mark.parametrize(
    "transfer",
    [
        MeanAlignment(),
        CORAL(),
        MMD(),
        ClassConfusion(),
        DomainAdversarial(),
        DomainAdversarial(conditional=True),
        WordEdits(),
        SelfTraining(),
        Contrastive(),
        SourceRows(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", DATA)
def test_what_a_method_does_not_declare_is_refused(transfer, kind):
    transfers = as_transfers(transfer)
    if kind in transfer.supports:
        check_supported(transfers, DATA[kind])
    else:
        with pytest.raises(
            ConfigError, match=rf"^{type(transfer).__name__}\(\) .* Leave it out\.$"
        ):
            check_supported(transfers, DATA[kind])


@pytest.mark.parametrize(
    ("transfer", "kind", "message"),
    [
        (ClassConfusion(), "several labels", "needs one label per text, got up to 2 labels per"),
        (ClassConfusion(), "numbers", "needs one label per text, got numbers"),
        (WordEdits(), "several labels", "needs one label per text, got up to 2 labels per text"),
        (SelfTraining(), "numbers", "needs one label per text, got numbers"),
        (Contrastive(), "numbers", "compares classes, got numbers"),
    ],
)
def test_a_refusal_names_what_was_expected_and_received(transfer, kind, message):
    with pytest.raises(ConfigError, match=message):
        check_supported(as_transfers(transfer), DATA[kind])


def test_every_method_declares_kinds_that_exist():
    for method in METHODS:
        assert method.kind.supports <= set(KINDS_OF_DATA), method.name
        assert method.kind.accepts <= {"labels", "unlabeled", "source", "links"}, method.name


def test_a_fit_refuses_before_anything_is_trained(tiny_encoder):
    target = Corpus(["money card", "money help"])
    tuned = [FullFineTune(), ClassConfusion()]
    with pytest.raises(ConfigError, match="ClassConfusion.. needs one label per text"):
        TextClassifier(tiny_encoder, transfer=tuned).fit(
            TEXTS, [["a"], ["a", "b"]], unlabeled=target
        )
    with pytest.raises(ConfigError, match="ClassConfusion.. needs one label per text, got numbers"):
        TextRegressor(tiny_encoder, transfer=tuned).fit(TEXTS, [1.0, 2.0], unlabeled=target)


def test_pairs_are_not_compared_with_single_texts(tiny_encoder):
    pairs, mixed = [("late", "help"), ("card", "help")], "pairs of texts and single texts"
    model = TextClassifier(tiny_encoder, transfer=[FullFineTune(), MMD()])
    for labelled, unlabeled in ((TEXTS, pairs), (pairs, TEXTS)):
        with pytest.raises(InputError, match=rf"MMD\(\) needs .* got {mixed}"):
            model.fit(labelled, ["a", "b"], unlabeled=Corpus(unlabeled))


def test_several_tasks_share_no_target():
    for transfer in (MMD(), ClassConfusion(), SourceRows()):
        name = type(transfer).__name__
        with pytest.raises(ConfigError, match=rf"{name}\(\) needs a model of one task"):
            check_one_task(as_transfers([FullFineTune(), transfer]))
    check_one_task(as_transfers(FullFineTune()))
    model = MultiTaskModel({"a": "single_label"}, transfer=[FullFineTune(), MMD()])
    with pytest.raises(ConfigError, match=r"MMD\(\) needs a model of one task"):
        model.fit({"a": (TEXTS, ["x", "y"])})


@pytest.mark.parametrize(("batch_size", "accumulation"), [(1, 1), (8, 8), (3, 2)])
def test_a_pass_has_rows_to_compare(batch_size, accumulation, tiny_encoder):
    config = LoopConfig(batch_size=batch_size, accumulation=accumulation)
    check_batches(as_transfers(FullFineTune()), config)
    tuned = [FullFineTune(), MMD(), CORAL()]
    with pytest.raises(ConfigError, match=rf"MMD\(\) and CORAL\(\) .* batch_size={batch_size} and"):
        check_batches(as_transfers(tuned), config)
    check_batches(as_transfers(tuned), LoopConfig(batch_size=4, accumulation=2))
    training = TrainingConfig(batch_size=batch_size, accumulation=accumulation, quiet=True)
    model = TextClassifier(tiny_encoder, transfer=tuned, training=training, device="cpu")
    with pytest.raises(ConfigError, match="Use a larger batch_size"):
        model.fit(TEXTS * 4, ["a", "b"] * 4, unlabeled=Corpus(TEXTS))


def test_frozen_features_have_no_batches():
    model = TextClassifier(TfidfEncoder(), training=TrainingConfig(batch_size=1))
    model.fit(TEXTS * 4, ["a", "b"] * 4, unlabeled=Corpus(TEXTS))
    check_batches(as_transfers([SourceRows()]), LoopConfig(batch_size=1))

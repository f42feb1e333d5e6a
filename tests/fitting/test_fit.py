import logging

import numpy as np
import pytest

from nlptl import (
    ContinuedPretraining,
    Contrastive,
    Corpus,
    Frozen,
    FullFineTune,
    LabelMeaning,
    SelfTraining,
    SourceRows,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.fitting.fit import fit
from nlptl.fitting.fit_data import read_data
from nlptl.fitting.plan import FitPlan

SHORT = TrainingConfig(max_steps=3, batch_size=8, refit=False, quiet=True)


def plan_for(encoder, transfer=None, **options):
    return FitPlan.resolve(encoder=encoder, transfer=transfer, device="cpu", **options)


@pytest.mark.parametrize(
    "transfer",
    [Frozen(), Contrastive(steps=2), FullFineTune(), LabelMeaning()],
    ids=lambda transfer: type(transfer).__name__,
)
def test_an_estimator_answers_as_what_fit_returns(tiny_encoder, few, transfer):
    texts, labels = few
    plan = plan_for(tiny_encoder, transfer, training=SHORT)
    fitted = fit(plan, read_data(plan, texts, labels))
    model = TextClassifier(tiny_encoder, transfer=transfer, training=SHORT, device="cpu")
    model.fit(texts, labels)
    np.testing.assert_array_equal(fitted.outputs(texts), model.predict_proba(texts))
    assert (fitted.history is None) == (model.history_ is None)
    assert fitted.figures(fitted.outputs(texts), labels) == model.evaluate(texts, labels)


def test_one_plan_fits_other_data_and_stays_as_it_is(few):
    texts, labels = few
    plan = plan_for(TfidfEncoder())
    first, second = (fit(plan, read_data(plan, texts[n:], labels[n:])) for n in (0, 10))
    assert first.features.encoder is not second.features.encoder
    assert plan == plan_for(TfidfEncoder())


def test_pairs_are_told_from_texts(few):
    plan = plan_for(TfidfEncoder())
    fitted = fit(plan, read_data(plan, *few))
    with pytest.raises(InputError, match="trained on single texts, got pairs"):
        fitted.outputs([("one", "two")])


def test_data_come_with_all_that_belongs_to_them(few):
    texts, labels = few
    plan = plan_for(TfidfEncoder(), [SourceRows(weight=0.5), SelfTraining()])
    source = {"old": Corpus(["a bill"], ["tax"])}
    data = read_data(plan, texts, labels, source=source, unlabeled=Corpus(["one", "two"]))
    assert data.unlabeled.texts == ["one", "two"] and list(data.source) == ["old"]
    assert "tax" in data.codec.classes and data.extra[1].weights.tolist() == [0.5]


@pytest.mark.parametrize(
    ("transfer", "argument", "message"),
    [
        (None, "validation", r"Frozen\(\) does not use it"),
        (Contrastive(), "validation", r"FullFineTune\(\) with Contrastive\(\) does not use it"),
        (None, "source", "no transfer uses it"),
    ],
)
def test_an_argument_that_nothing_uses_is_refused(few, transfer, argument, message):
    texts, labels = few
    with pytest.raises(ConfigError, match=message):
        read_data(plan_for(TfidfEncoder(), transfer), *few, **{argument: Corpus(texts, labels)})


@pytest.mark.parametrize(
    ("transfer", "extra", "stages"),
    [
        (Frozen(), {}, ["Encoding 40 texts", "Fitting the head and calibrating it"]),
        (
            SelfTraining(),
            {"unlabeled": Corpus(["one", "two"])},
            [
                "Encoding 40 texts",
                "Fitting the head and calibrating it",
                "Labelling 2 unlabelled texts",
            ],
        ),
        (
            Contrastive(steps=1),
            {},
            ["Tuning the encoder on 40 rows and fitting the head", "Epoch 1: loss"],
        ),
        (
            [ContinuedPretraining(), Frozen()],
            {"unlabeled": Corpus(["the parcel came late", "the box was broken", "how do i pay"])},
            ["Training the encoder before the other transfers", "Encoding 40 texts"],
        ),
    ],
    ids=["frozen", "self", "contrastive", "pretraining"],
)
def test_the_stages_of_a_fit_are_logged_in_their_order(
    tiny_encoder, few, transfer, extra, stages, caplog
):
    plan = plan_for(tiny_encoder, transfer, training=SHORT)
    data = read_data(plan, *few, **extra)
    with caplog.at_level(logging.INFO, logger="nlptl"):
        fit(plan, data)
    assert [line for line in caplog.messages if line.startswith(tuple(stages))][: len(stages)] == [
        next(line for line in caplog.messages if line.startswith(stage)) for stage in stages
    ]

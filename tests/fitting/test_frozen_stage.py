from dataclasses import replace

import numpy as np
import pytest

from nlptl import (
    BlendHead,
    Corpus,
    LabelMeaning,
    LogisticHead,
    MLPHead,
    PrototypeHead,
    SourceRows,
    TfidfEncoder,
    TrainingConfig,
)
from nlptl.data.rows import Rows
from nlptl.fitting.fit_data import read_data
from nlptl.fitting.frozen_stage import fit_head, frozen_features
from nlptl.fitting.head_inputs import head_inputs
from nlptl.fitting.plan import FitPlan
from nlptl.heads import MeaningHead
from nlptl.heads.linear.logistic import DEFAULT_C


def fitted(encoder, few, *, unseen=True, **options):
    plan = FitPlan.resolve(**{"encoder": encoder, "transfer": None, "device": "cpu", **options})
    data = read_data(plan, *few)
    features = frozen_features(plan, data)
    return fit_head(plan, head_inputs(plan, data, features), unseen=unseen)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, BlendHead),
        ({"head": PrototypeHead()}, PrototypeHead),
        ({"transfer": LabelMeaning()}, MeaningHead),
        ({"unseen": False}, LogisticHead),
    ],
    ids=str,
)
def test_the_head_suits_plan_and_data(tiny_encoder, few, options, kind):
    head = fitted(tiny_encoder, few, **options)
    assert isinstance(head.fitted, kind) and head.recipe is None
    if options.get("unseen") is False:
        assert head.fitted.C_ == DEFAULT_C


def test_a_network_is_trained(tiny_encoder, few):
    training = TrainingConfig(max_steps=2, quiet=True)
    head = fitted(tiny_encoder, few, head=MLPHead((4,)), training=training)
    assert head.recipe is not None and head.history.losses


def test_an_encoder_learns_from_unlabelled_text_and_from_the_source(few):
    texts, labels = few
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=SourceRows())
    data = read_data(
        plan, texts, labels, source=Corpus(["zebra"], ["billing"]), unlabeled=Corpus(["quagga"])
    )
    features = frozen_features(plan, data)
    seen = [features.encoder.transform([word]).nnz > 0 for word in ("zebra", "quagga", "okapi")]
    assert seen == [True, True, False]
    alone = frozen_features(plan, replace(data, extra=None))
    assert alone.encoder.transform(["zebra"]).nnz == 0
    assert np.isfinite(
        fit_head(plan, head_inputs(plan, data, features)).logits(features.transform(data.rows))
    ).all()


def test_pairs_and_single_texts_reach_the_encoder_as_texts():
    plan = FitPlan.resolve(encoder=TfidfEncoder(longest=1), transfer=SourceRows(weight=1.0))
    source = Corpus(["late parcel", "new phone"], ["+", "-"])
    data = read_data(plan, ["good one", "bad one"], ["+", "-"], source=source)
    data = replace(data, unlabeled=Rows([("a title", "a body")]))
    words = frozen_features(plan, data).encoder.fitted.vocabulary_
    assert {"title", "body", "late", "parcel"} <= set(words)

import numpy as np
import pytest
from scipy import sparse

from nlptl import (
    BlendHead,
    FusedEncoder,
    LogisticHead,
    MLPHead,
    OrdinalHead,
    PrototypeHead,
    RidgeHead,
    TfidfEncoder,
)
from nlptl.base.errors import ConfigError, NlptlError
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.targets import Targets
from nlptl.encoders.fused import ResidualFusion
from nlptl.fitting.head_choice import (
    check_head,
    default_head,
    dense,
    in_codes,
    is_solver,
    suited,
)
from nlptl.heads.meaning_head import MeaningHead

X = np.eye(4)
FUSED = FusedEncoder((TfidfEncoder(), TfidfEncoder()), fusion=ResidualFusion())
ONE = Targets(np.array([0, 1, 0, 1]), 2)
SEVERAL = Targets(np.eye(4, 2, dtype=np.int64), 2)


def chosen(encoder=None, features=X, targets=ONE, head=None):
    return default_head(head, encoder, features, targets, seed=3)


def test_the_default_head_suits_the_data():
    assert isinstance(chosen(), BlendHead)
    assert chosen().seed == 3
    for alone in (
        chosen(targets=SEVERAL),
        chosen(features=sparse.csr_matrix(X)),
        chosen(encoder=FUSED),
    ):
        assert isinstance(alone, LogisticHead)
    given = PrototypeHead()
    assert chosen(head=given) is given


def test_a_head_that_cannot_be_trained_with_a_fusion_is_refused():
    with pytest.raises(ConfigError, match="which PrototypeHead does not allow"):
        is_solver(PrototypeHead(), FUSED)
    assert not is_solver(LogisticHead(), FUSED)
    assert is_solver(LogisticHead(), None)


@pytest.mark.parametrize("head", [3, "logistic", LogisticHead])
def test_what_is_no_head_is_refused(head):
    with pytest.raises(ConfigError, match="head must be a head such as"):
        check_head(head)


@pytest.mark.parametrize(
    ("head", "answers", "said"),
    [
        (LogisticHead(), NumberScale(0.0, 1.0), "LogisticHead predicts classes, not numbers"),
        ("ridge", NumberScale(0.0, 1.0), r"such as RidgeHead\(\), got 'ridge'"),
        (RidgeHead(), LabelCodec.learn([0, 1]), "RidgeHead predicts numbers"),
        (OrdinalHead(), LabelCodec.learn([{0}, {1}]), "several of 2"),
        (OrdinalHead((0, 2)), LabelCodec.learn([0, 1]), "1 is not in order"),
    ],
    ids=repr,
)
def test_a_head_must_suit_classes_or_numbers(head, answers, said):
    with pytest.raises(NlptlError, match=said):
        check_head(head, answers)


def test_an_order_of_labels_becomes_one_of_codes():
    codec = LabelCodec.learn(["good", "bad", "ok"])
    assert in_codes(OrdinalHead(("bad", "ok", "good")), codec).order == (0, 2, 1)
    other = LogisticHead()
    assert in_codes(other, codec) is other


def test_numbers_take_ridge_regression_and_what_fits_them_is_left_alone():
    numbers = Targets(np.array([0.5, -1.0, 0.0, 0.5]), 1)
    assert isinstance(chosen(targets=numbers), RidgeHead)
    assert isinstance(chosen(targets=numbers, encoder=FUSED), RidgeHead)
    for head in (None, RidgeHead(), MLPHead()):
        check_head(head, NumberScale(0.0, 1.0))


def test_word_counts_are_too_many_for_a_network():
    assert dense(X) is X
    with pytest.raises(ConfigError, match="cannot be trained on 4 word counts"):
        dense(sparse.csr_matrix(X))


def test_heads_that_need_every_number_refuse_word_counts():
    thin = sparse.csr_matrix(X)
    codec = LabelCodec.learn(["a", "b"])
    assert suited(LogisticHead(), thin, codec)
    for head in (PrototypeHead(), BlendHead()):
        assert suited(head, X, codec) is head
        with pytest.raises(ConfigError, match="cannot be fitted to 4 word counts"):
            suited(head, thin, codec)


def test_class_names_are_refused_with_word_counts_by_their_name():
    thin, codec = sparse.csr_matrix(X), LabelCodec.learn(["a", "b"])
    with pytest.raises(ConfigError, match=r"LabelMeaning\(\) cannot be fitted .* Leave it out"):
        suited(MeaningHead(), thin, codec)

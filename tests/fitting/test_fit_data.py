import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Corpus,
    DensityRatioWeights,
    Frozen,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    LogisticHead,
    MeanAlignment,
    SelfTraining,
    SourceRows,
    TextClassifier,
    TfidfEncoder,
    TransformerEncoder,
    WordEdits,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.fitting.fit_data import read_data
from nlptl.fitting.frozen_stage import frozen_features
from nlptl.fitting.head_inputs import head_inputs
from nlptl.fitting.plan import FitPlan

SOURCE = {
    "films": Corpus(["good film", "bad film"], ["+", "-"]),
    "books": Corpus(["dull book"], ["-"]),
}


def data_of(transfer, texts=(), labels=(), **corpora):
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=transfer)
    return read_data(plan, list(texts), list(labels), **corpora)


def test_without_target_rows_the_source_has_the_labelled_rows():
    data = data_of(Frozen(), source=SOURCE)
    assert list(data.rows.texts) == ["good film", "bad film", "dull book"]
    assert data.targets.domains.tolist() == [1, 1, 2] and data.extra is None


def test_with_target_rows_the_source_is_extra():
    data = data_of(SourceRows(0.5), ["good tea", "bad tea"], ["+", "-"], source=SOURCE)
    assert len(data.rows) == 2 and data.targets.domains is None
    assert data.extra[1].domains.tolist() == [1, 1, 2]
    assert data.all_rows[1].domains.tolist() == [0, 0, 1, 1, 2]


def test_class_names_without_rows_keep_the_source_as_extra_rows():
    transfer = [LabelMeaning({"+": "good", "-": "bad"}), SourceRows(weight=1.0)]
    data = data_of(transfer, source=SOURCE)
    assert not len(data.rows) and len(data.extra[0]) == 3


def test_other_arguments_and_unused_validation_rows_are_refused():
    with pytest.raises(TypeError, match="expected source, unlabeled, validation, got 'links'"):
        data_of(Frozen(), ["a", "b"], ["+", "-"], links=None)
    with pytest.raises(ConfigError, match=r"Frozen\(\) does not use it"):
        data_of(Frozen(), ["a", "b"], ["+", "-"], validation=Corpus(["a"], ["+"]))


def test_labels_and_weights_without_texts_are_refused():
    source = Corpus(["good film", "bad film"], ["+", "-"])
    for options in ({"answers": ["+", "-"]}, {"answers": [], "sample_weight": [1.0, 2.0]}):
        with pytest.raises(InputError, match="but no texts"):
            read_data(
                FitPlan.resolve(encoder=TfidfEncoder(), transfer=Frozen()),
                [],
                source=source,
                **options,
            )


def test_edits_do_not_change_the_share_of_the_source():
    source = Corpus(["good film", "bad film"] * 4, ["+", "-"] * 4)
    data = data_of([SourceRows(0.6), WordEdits()], ["good", "bad"], ["+", "-"], source=source)
    targets = data.all_rows[1]
    of_source = targets.weights[targets.domain_numbers > 0].sum()
    assert of_source / targets.weights.sum() == pytest.approx(0.6)


def test_unlabelled_corpora_are_of_one_kind():
    unlabeled = {"one": Corpus(["a text"]), "two": Corpus([("a title", "a body")])}
    with pytest.raises(InputError, match="all have pairs of texts, or all single texts"):
        data_of(SelfTraining(), ["good", "bad"], ["+", "-"], unlabeled=unlabeled)


def test_the_share_of_the_source_is_chosen_without_edited_copies():
    """With 40 labelled target rows it is not chosen, whatever the number of their copies."""
    texts, labels = ["good film", "bad film"] * 20, ["+", "-"] * 20
    source = Corpus(["good tea", "bad tea"] * 30, ["-", "+"] * 30)
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=[SourceRows(), WordEdits(copies=4)])
    data = read_data(plan, texts, labels, source=source)
    targets = head_inputs(plan, data, frozen_features(plan, data)).targets
    of_source = targets.weights[targets.domain_numbers > 0].sum()
    assert of_source / targets.weights.sum() == pytest.approx(0.75)


FUSED = FusedEncoder((TfidfEncoder(),), numeric_columns=("length",), text_columns=("text",))


def test_unlabelled_texts_have_missing_numbers():
    table = pd.DataFrame({"text": ["good tea", "bad tea"] * 10, "length": range(20)})
    model = TextClassifier(FUSED, head=LogisticHead(C=1.0), transfer=SelfTraining())
    model.fit(table, list("+-" * 10), unlabeled=Corpus(["good soup", "bad soup"] * 10))
    assert model.predict(table[:2]).tolist() == ["+", "-"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("transfer", [MeanAlignment(), DensityRatioWeights()])
def test_a_source_alone_has_missing_numbers(transfer):
    source = Corpus(["good film", "bad film"] * 10, list("+-" * 10))
    model = TextClassifier(FUSED, head=LogisticHead(C=1.0), transfer=transfer)
    model.fit([], [], source=source, unlabeled=Corpus(["good soup", "bad soup"] * 10))
    new = pd.DataFrame({"text": ["good cake", "bad cake"], "length": [3, 900]})
    assert model.predict(new).tolist() == ["+", "-"]


def test_validation_rows_of_another_kind_are_refused(tiny_encoder):
    plan = FitPlan.resolve(encoder=TransformerEncoder(tiny_encoder), transfer=FullFineTune())
    pairs = [("good tea", "fine"), ("bad tea", "poor")]
    with pytest.raises(InputError, match="must have pairs of texts .* got single texts"):
        read_data(plan, pairs, ["+", "-"], validation=Corpus(["good", "bad"], ["+", "-"]))


def test_rows_of_weight_zero_take_part_in_no_choice():
    rng = np.random.default_rng(0)
    texts = [f"{'good' if i % 2 else 'bad'} w{rng.integers(9)}" for i in range(60)]
    labels = ["+" if i % 2 else "-" for i in range(60)]
    wrong = [label if i < 40 else "+-"[rng.integers(2)] for i, label in enumerate(labels)]
    model = TextClassifier(TfidfEncoder())
    expected = model.fit(texts[:40], labels[:40]).predict_proba(texts)
    weighed = model.fit(texts, wrong, sample_weight=[1.0] * 40 + [0.0] * 20)
    assert len(weighed.fitted_.probe) and weighed.audit_.n_rows == 40
    assert weighed.predict_proba(texts) == pytest.approx(expected, abs=0.05)


def test_rows_of_a_class_with_weight_zero_only_stay():
    data = data_of(Frozen(), ["a b", "b c", "c d"], ["+", "-", "0"], sample_weight=[1, 1, 0])
    assert len(data.rows) == 3

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from nlptl import (
    Contrastive,
    Corpus,
    FullFineTune,
    LabelMeaning,
    LoRA,
    SelfTraining,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.fitting.extra_rows import with_edits
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import read_labelled

QUICK = TrainingConfig(max_steps=3)


def learnt(labelled, *transfers):
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=list(transfers))
    return with_edits(read_labelled(plan, *labelled), plan)


def test_copies_stand_beside_the_rows_and_count_as_much_together():
    given = (["my money came back", "a broken box"], ["money", "post"], [1.0, 3.0])
    data = learnt(given, WordEdits(copies=3, share=0.4))
    rows, targets = data.all_rows
    assert len(data.rows) == 2 and len(rows) == 8
    assert targets.codes.tolist() == [0, 1] * 4
    np.testing.assert_allclose(targets.weights, [1, 3] + [1 / 3, 1] * 3)
    assert set(rows.texts[2].split()) <= set(given[0][0].split())


def test_both_texts_of_a_pair_are_edited():
    pairs = [("one two three four", "five six seven eight")] * 2
    rows, _ = learnt((pairs, ["a", "b"], None), WordEdits(share=0.5)).all_rows
    assert rows.are_pairs and len(rows) == 6
    for first, second in rows.texts[2:]:
        assert set(first.split()) <= set(pairs[0][0].split())
        assert set(second.split()) <= set(pairs[0][1].split())


def test_names_come_after_copies():
    given = (["my money", "a box"], ["money", "post"], None)
    rows, targets = learnt(given, WordEdits(copies=1), LabelMeaning(templates=["{}"])).with_names
    assert rows.texts[4:] == ["money", "post"] and targets.codes.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    "transfer",
    [WordEdits(), [LabelMeaning(), WordEdits()], [Contrastive(), WordEdits(), LoRA()]],
)
def test_a_classifier_learns_from_copies(transfer, tiny_encoder, few, tmp_path):
    model = TextClassifier(tiny_encoder, transfer=transfer, training=QUICK).fit(*few)
    assert model.score(*few) > 0.5
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert repr(again.transfer) == repr(model.transfer_)
    np.testing.assert_allclose(again.predict_proba(few[0]), model.predict_proba(few[0]), atol=1e-4)


def test_no_fold_holds_out_a_copy(few, monkeypatch):
    from nlptl.heads.calibration.strength import Chooser

    monkeypatch.setattr(Chooser, "choose", lambda *_: pytest.fail("a fold was dealt"))
    TextClassifier(TfidfEncoder(), transfer=WordEdits()).fit(*few)


@pytest.mark.parametrize(
    ("transfer", "labels", "given", "said"),
    [
        (SelfTraining(), "ab", {}, r"unlabelled texts, got 2 and 0"),
        (
            SelfTraining(),
            [["a"], ["b"]],
            {"unlabeled": Corpus(["x"])},
            "got up to 2 labels per text",
        ),
        (WordEdits(), [["a"], ["b"]], {}, "got up to 2 labels per text"),
        ([SelfTraining(), FullFineTune()], "ab", {}, r"Add Contrastive\(\), or leave the encoder"),
        ([WordEdits(), LoRA()], "ab", {}, r"WordEdits\(\) cannot be combined with LoRA\(\) alone"),
        ([WordEdits(), WordEdits(copies=1)], "ab", {}, r"WordEdits\(\) is passed 2 times"),
    ],
)
def test_what_does_not_go_together_is_refused(transfer, labels, given, said):
    model = TextClassifier(TfidfEncoder(), transfer=transfer)
    with pytest.raises(ConfigError, match=said):
        model.fit(["one text", "two texts"], list(labels), **given)


def test_numbers_learn_from_copies_too(tiny_encoder, few):
    numbers = np.arange(len(few[0])) / 10
    model = TextRegressor(tiny_encoder, transfer=WordEdits(copies=1)).fit(few[0], numbers)
    assert np.isfinite(model.predict(few[0])).all()


def halves(few):
    """Four labelled requests and the rest without labels."""
    texts, labels = few
    some = [0, 1, -1, -2]
    return [texts[i] for i in some], [labels[i] for i in some], Corpus(texts[2:-2])


def test_heads_without_weights_and_pairs_beside_texts_are_refused(few):
    texts, labels, corpus = halves(few)
    neighbours = KNeighborsClassifier(1)
    with pytest.raises(ConfigError, match="KNeighborsClassifier does not accept row weights"):
        TextClassifier(TfidfEncoder(), transfer=WordEdits(), head=neighbours).fit(texts, labels)
    pairs = list(zip(texts, texts[::-1], strict=True))
    with pytest.raises(InputError, match="got pairs of texts and single texts"):
        TextClassifier(TfidfEncoder(), transfer=SelfTraining()).fit(pairs, labels, unlabeled=corpus)

import numpy as np
import pytest

from nlptl import (
    Contrastive,
    Corpus,
    LabelMeaning,
    LogisticHead,
    SelfTraining,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting import fit as fitting
from nlptl.fitting import self_training
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_inputs import HeadInputs
from nlptl.fitting.self_training import self_trained
from nlptl.fitting.training_data import TrainingData
from nlptl.heads.solver_fit import undecided
from nlptl.transfer.instances.selftraining import most_confident

QUICK = TrainingConfig(max_steps=3)


def halves(few):
    """Four labelled requests and the rest without labels."""
    texts, labels = few
    some = [0, 1, -1, -2]
    return [texts[i] for i in some], [labels[i] for i in some], Corpus(texts[2:-2])


def test_the_head_learns_from_texts_that_the_model_labelled(few, monkeypatch):
    texts, labels, corpus = halves(few)
    plain = TextClassifier(TfidfEncoder()).fit(texts, labels)
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining(share=1.0))
    seen = []
    fit_head = fitting.fit_head

    def watched(plan, inputs, **options):
        seen.append(inputs.data.all_rows)
        return fit_head(plan, inputs, **options)

    monkeypatch.setattr(fitting, "fit_head", watched)
    model.fit(texts, labels, unlabeled=corpus)
    (first, _), (rows, targets) = seen
    assert len(first) == 4 and len(rows) == 4 + corpus.size
    assert targets.weights[4:].sum() == pytest.approx(4.0)  # as much as the labelled rows
    unlike = model.predict_proba(texts) - plain.predict_proba(texts)
    assert np.abs(unlike).max() > 1e-3
    calm = model.fitted_.scorer.decision.temperature
    assert calm == plain.fitted_.scorer.decision.temperature


def watched_choices(monkeypatch):
    """Return the list of the probabilities that the most confident texts are chosen by."""
    calls = []

    def watched(probabilities, *options):
        calls.append(probabilities)
        return most_confident(probabilities, *options)

    monkeypatch.setattr(self_training, "most_confident", watched)
    return calls


def test_rounds_label_anew(few, monkeypatch):
    calls = watched_choices(monkeypatch)
    texts, labels, corpus = halves(few)
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining(rounds=3))
    model.fit(texts, labels, unlabeled=corpus)
    assert len(calls) == 3 and np.abs(calls[1] - calls[0]).max() > 0


def test_self_training_goes_with_a_tuned_encoder(tiny_encoder, few, tmp_path):
    texts, labels, corpus = halves(few)
    transfer = [Contrastive(), SelfTraining(), LabelMeaning()]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=QUICK)
    model.fit(texts, labels, unlabeled=corpus)
    assert model.history_ is not None
    TextClassifier.load(model.save(tmp_path / "model"))


def test_names_alone_are_a_start_for_self_training(tiny_encoder, few, tmp_path):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    alone = TextClassifier(tiny_encoder, transfer=names).fit([], [])
    model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining(share=1.0)])
    with pytest.raises(ConfigError, match="got 0 and 0"):
        model.fit([], [])
    model.fit([], [], unlabeled=Corpus(few[0]))
    head = model.fitted_.scorer.fitted
    texts = model.fitted_.features.transform(Rows(few[0])).mean(axis=0)
    far, near = (np.linalg.norm(one.centre_ - texts) for one in (alone.fitted_.scorer.fitted, head))
    assert near < far / 2  # it knows where texts lie
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert list(again.predict(few[0])) == list(model.predict(few[0]))


def test_names_are_first_asked_from_where_the_texts_lie(tiny_encoder, few, monkeypatch):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    alone = TextClassifier(tiny_encoder, transfer=names).fit([], []).fitted_
    calls = watched_choices(monkeypatch)
    model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining()])
    model.fit([], [], unlabeled=Corpus(few[0]))
    found = alone.features.transform(Rows(few[0]))
    moved = found - found.mean(axis=0) + alone.scorer.fitted.centre_
    np.testing.assert_allclose(calls[0], alone.scorer.probabilities(moved), atol=1e-5)


def test_beside_names_each_text_counts_its_weight(tiny_encoder, few):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    heads = []
    for weight in (1.0, 0.125):
        model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining(weight=weight)])
        heads.append(model.fit([], [], unlabeled=Corpus(few[0])).fitted_.scorer.fitted)
    assert np.abs(heads[0].coef_ - heads[1].coef_).max() > 1e-3


def test_what_cannot_stand_beside_names_is_said(tiny_encoder, few):
    transfer = [LabelMeaning({"a": "parcel", "b": "money"}), SelfTraining()]
    pairs = Corpus(list(zip(few[0], few[0][::-1], strict=True)))
    with pytest.raises(InputError, match="got pairs of texts and single texts"):
        TextClassifier(tiny_encoder, transfer=transfer).fit([], [], unlabeled=pairs)
    with pytest.raises(ConfigError, match=r"LabelMeaning\(\) cannot be fitted to"):
        TextClassifier(TfidfEncoder(), transfer=transfer).fit([], [], unlabeled=Corpus(few[0]))


def test_texts_without_labels_have_to_be_a_corpus(few):
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining())
    with pytest.raises(InputError, match="Write unlabeled=Corpus"):
        model.fit(*few, unlabeled=["one"])


def test_only_the_first_labels_are_corrected_for_other_class_shares():
    """The later heads are fitted to rows that have the class shares of the pool already."""
    rng = np.random.default_rng(0)

    def drawn(share, n):
        labels = rng.random(n) < share
        return (rng.normal(size=(n, 1)) + np.where(labels, 1.0, -1.0)[:, None]), labels

    (X, labels), (pool, truth) = drawn(0.5, 2000), drawn(0.75, 2000)
    spec = SelfTraining((0.5, 0.7, 0.9, 1.0), class_shares="estimated", soft=True)
    targets = Targets(labels.astype(int), 2)
    data = TrainingData(Rows([""] * 2000), targets, None, unlabeled=Rows([""] * 2000))
    inputs = HeadInputs(None, data, X, pool)

    def refit(part):
        head = LogisticHead(C=10.0).fit(part.X, part.targets.codes, part.targets.weights)
        return FittedHead(head, head, undecided(part.targets, None))

    head = self_trained(spec, inputs, refit(inputs), refit)
    assert head.probabilities(pool)[:, 1].mean() == pytest.approx(truth.mean(), abs=0.05)


def test_a_class_without_weight_has_no_share(few):
    texts, labels, pool = few[0], few[1], Corpus(few[0])
    weights = [0.0 if label == labels[0] else 1.0 for label in labels]
    for shares in ("labelled", "estimated"):
        transfer = SelfTraining(class_shares=shares)
        model = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1.0), transfer=transfer)
        model.fit(texts, labels, unlabeled=pool, sample_weight=weights)
        assert np.isfinite(model.predict_proba(texts)).all()

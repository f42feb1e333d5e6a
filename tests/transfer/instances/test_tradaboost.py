import numpy as np
import pytest

from nlptl import (
    Contrastive,
    Corpus,
    FullFineTune,
    LoRA,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrAdaBoost,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import DomainFeatures
from nlptl.transfer.instances.tradaboost import boosted_weights


def planted(seed, *, n_classes=2, n_source=600, n_target=50, distance=2.0):
    """Clouds of points per class in both domains. A third of the source labels are wrong."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, 10))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True)
    source_codes, target_codes = (rng.integers(n_classes, size=n) for n in (n_source, n_target))
    source = centres[source_codes] + 0.7 * rng.normal(size=(n_source, 10)) + 0.3
    target = centres[target_codes] + 0.7 * rng.normal(size=(n_target, 10))
    harmful = np.arange(n_source) % 3 == 0
    shift = rng.integers(1, n_classes, size=n_source)
    source_codes = np.where(harmful, (source_codes + shift) % n_classes, source_codes)
    return source, source_codes, target, target_codes, harmful


def share_in_lowest_third(weights, harmful):
    lowest = np.argsort(weights, kind="stable")[: len(weights) // 3]
    return harmful[lowest].sum() / harmful.sum()


def features_of(source, source_codes, target, target_codes, n_classes=2):
    return DomainFeatures(source, source_codes, target, target, target_codes, n_classes, 0)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_harmful_rows_have_the_lowest_weights(seed, n_classes):
    *rows, harmful = planted(seed, n_classes=n_classes)
    weights = TrAdaBoost().weigh(features_of(*rows, n_classes=n_classes))
    assert weights.mean() == pytest.approx(1)
    assert share_in_lowest_third(weights, harmful) >= 0.8
    assert weights[harmful].mean() < 0.3 * weights[~harmful].mean()


def test_the_mean_of_the_last_half_is_at_least_as_good_as_the_last_round():
    shares = []
    for n_classes in (2, 4):
        for seed in range(4):
            *rows, harmful = planted(seed, n_classes=n_classes, distance=1.5)
            boosting = boosted_weights(*rows)
            candidates = boosting.source_weights, boosting.by_round[-1]
            shares.append([share_in_lowest_third(weights, harmful) for weights in candidates])
    mean, last = np.mean(shares, axis=0)
    assert mean >= last


def test_the_first_round_follows_the_published_formulas():
    source, source_codes, target, target_codes, _ = planted(0, distance=1.0)
    boosting = boosted_weights(source, source_codes, target, target_codes, rounds=1)
    for rounds in (1, 8):
        first = boosted_weights(source, source_codes, target, target_codes, rounds=rounds)
        values = np.unique(first.by_round[0] / first.by_round[0].max())
        np.testing.assert_allclose(values, [1 / (1 + np.sqrt(2 * np.log(600) / rounds)), 1])
    factor = 1 / (1 + np.sqrt(2 * np.log(600) / 1))
    error = boosting.errors[0]
    raised = np.unique(boosting.target_weights / boosting.target_weights.min())
    np.testing.assert_allclose(raised, [1, (1 - error) / error])
    # With these weights, half of the mass is on the wrong target rows, as in AdaBoost.
    wrong = boosting.target_weights > 1
    assert boosting.target_weights[wrong].sum() == pytest.approx(25)
    n_wrong, of_target = int(wrong.sum()), 50 + wrong.sum() * ((1 - error) / error - 1)
    assert error == pytest.approx(n_wrong / 50)
    low = (boosting.by_round[0] < 1).sum()
    of_source = 600 - low * (1 - factor)
    assert boosting.source_shares[0] == pytest.approx(of_source / (of_source + of_target))


def test_several_classes_raise_target_rows_by_their_number():
    source, source_codes, target, target_codes, _ = planted(1, n_classes=4, distance=1.0)
    boosting = boosted_weights(source, source_codes, target, target_codes, rounds=1)
    error = boosting.errors[0]
    raised = np.unique(boosting.target_weights / boosting.target_weights.min())
    np.testing.assert_allclose(raised, [1, 3 * (1 - error) / error])


def test_boosting_stops_when_the_source_has_little_weight():
    rng = np.random.default_rng(0)
    target_codes = rng.integers(2, size=60)
    target = rng.normal(size=(60, 2)) + np.where(target_codes, 1.5, -1.5)[:, None]
    source_codes = rng.integers(2, size=30)
    source = rng.normal(size=(30, 2)) + np.where(source_codes, -1.5, 1.5)[:, None]
    boosting = boosted_weights(source, source_codes, target, target_codes, rounds=50)
    shares = np.array(boosting.source_shares)
    assert len(shares) < 50 and shares[-1] < 0.05 and np.all(shares[:-1] >= 0.05)


def test_an_error_of_zero_is_no_problem():
    source, source_codes, target, target_codes, harmful = planted(0, distance=8.0)
    boosting = boosted_weights(source, source_codes, target, target_codes)
    assert boosting.errors == (0.0,) * 10 and np.ptp(boosting.target_weights) == 0
    assert share_in_lowest_third(boosting.source_weights, harmful) == 1


def test_a_source_that_contradicts_the_target_is_left_alone_with_a_warning():
    source, source_codes, target, target_codes, _ = planted(0, n_target=10, distance=4.0)
    with pytest.warns(UserWarning, match="all 600 source rows at weight 1, .* the 10 labelled"):
        boosting = boosted_weights(source, source_codes, target, 1 - target_codes)
    assert np.all(boosting.source_weights == 1) and not boosting.errors


@pytest.mark.parametrize("n_classes", [2, 4])
def test_boosting_needs_a_classifier_that_is_better_than_chance(n_classes):
    source, source_codes, target, target_codes, _ = planted(0, n_classes=n_classes, distance=8.0)
    wrong = np.arange(50) < 30  # 60 % of the target rows: too many of 2 classes, not of 4
    codes = np.where(wrong, (target_codes + 1) % n_classes, target_codes)
    if n_classes == 2:
        with pytest.warns(UserWarning, match="not better than chance"):
            boosting = boosted_weights(source, source_codes, target, codes)
        assert not boosting.errors
    else:
        boosting = boosted_weights(source, source_codes, target, codes)
        assert boosting.errors[0] == pytest.approx(0.6)
    assert all(error < 1 - 1 / n_classes for error in boosting.errors)


def test_options_reach_the_boosting():
    *rows, _ = planted(0)
    weights = [
        TrAdaBoost(**options).weigh(features_of(*rows))
        for options in ({"rounds": 1}, {"rounds": 10}, {"n_dimensions": 1})
    ]
    assert len(np.unique(weights[0])) == 2 < len(np.unique(weights[1]))
    assert not np.allclose(weights[1], weights[2])


def test_one_class_cannot_be_boosted():
    with pytest.warns(UserWarning, match="weight 1"):
        boosting = boosted_weights(np.eye(3), np.zeros(3, int), np.eye(3), np.zeros(3, int))
    assert np.all(boosting.source_weights == 1)


def test_labels_of_the_target_are_needed():
    source, source_codes, target, target_codes, _ = planted(0)
    features = DomainFeatures(source, source_codes, target, target[:0], target_codes[:0], 2, 0)
    with pytest.raises(ConfigError, match=r"labelled rows of the target, got none\. Pass some"):
        TrAdaBoost().weigh(features)


@pytest.mark.parametrize("codes", [np.zeros((50, 2), int), np.zeros(50)])
def test_numbers_and_several_labels_are_refused(codes):
    source, source_codes, target, _, _ = planted(0)
    features = DomainFeatures(source, source_codes, target, target, codes, 2, 0)
    with pytest.raises(ConfigError, match="one label per text, got numbers or several"):
        TrAdaBoost().weigh(features)
    assert not TrAdaBoost.supports & {"numbers", "several labels", "tasks"}


@pytest.mark.parametrize("options", [{"rounds": 0}, {"n_dimensions": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        TrAdaBoost(**options)


def reviews(n, topic, rng, *, share_wrong=0.0):
    """Short reviews with an opinion, and their labels; a share of the labels is wrong."""
    labels = rng.permutation(["good", "bad"] * (n // 2))
    opinions = {"good": "great love fine superb".split(), "bad": "broken awful waste poor".split()}
    texts = [
        " ".join([*rng.choice(topic.split(), 4), *rng.choice(opinions[label], 2)])
        for label in labels
    ]
    other = {"good": "bad", "bad": "good"}
    return texts, [other[x] if rng.random() < share_wrong else str(x) for x in labels]


def test_a_fit_learns_more_from_a_source_with_wrong_labels():
    rng = np.random.default_rng(0)
    source, labels = reviews(150, "pan oven soup spoon kitchen", rng, share_wrong=0.4)
    few, few_labels = reviews(20, "novel chapter author page", rng)
    test, truth = reviews(400, "novel chapter author page", rng)
    losses = {}
    for name, transfer in {
        "equal": SourceRows(weight=1.0),
        "boosted": [SourceRows(weight=1.0), TrAdaBoost()],
    }.items():
        model = TextClassifier(TfidfEncoder(), transfer=transfer)
        model.fit(few, few_labels, source=Corpus(source, labels))
        chosen = [model.classes_.tolist().index(label) for label in truth]
        losses[name] = -np.log(model.predict_proba(test)[np.arange(400), chosen]).mean()
    assert losses["boosted"] < losses["equal"] - 0.05


def test_a_fit_without_target_labels_or_source_is_refused():
    rng = np.random.default_rng(0)
    texts, labels = reviews(20, "pan oven soup spoon kitchen", rng)
    model = TextClassifier(TfidfEncoder(), transfer=TrAdaBoost())
    with pytest.raises(ConfigError, match="labelled rows of the target, got none"):
        model.fit([], [], source=Corpus(texts, labels))
    with pytest.raises(ConfigError, match=r"TrAdaBoost\(\) needs fit\(..., source="):
        model.fit(texts, labels)


@pytest.mark.parametrize("level", [FullFineTune(), LoRA(rank=2), Contrastive()], ids=repr)
def test_the_weights_reach_the_training_of_an_encoder(level, tiny_encoder, few, monkeypatch):
    texts, labels = few
    wrong = [labels[-1 - i] if i % 3 == 0 else label for i, label in enumerate(labels)]
    source, quick = Corpus(texts[4:-4], wrong[4:-4]), TrainingConfig(max_steps=3, refit=False)
    target = [*texts[:4], *texts[-4:]], [*labels[:4], *labels[-4:]]
    trained_on = []
    original = TrAdaBoost.weigh

    def fitted(factor):
        def weigh(self, features):
            weights = original(self, features) ** factor  # 0 makes all weights equal
            trained_on.append(weights / weights.mean())
            return trained_on[-1]

        monkeypatch.setattr(TrAdaBoost, "weigh", weigh)
        transfer = [level, SourceRows(share=0.5), TrAdaBoost()]
        model = TextClassifier(tiny_encoder, transfer=transfer, training=quick)
        return model.fit(*target, source=source)

    boosted, equal = fitted(1.0), fitted(0.0)
    assert len(trained_on) == 2  # computed once per fit, on the frozen features
    np.testing.assert_allclose(boosted.weights_.weights, trained_on[0])
    assert boosted.weights_.texts == texts[4:-4] and np.ptp(trained_on[0]) > 0
    gap = np.abs(boosted.predict_proba(texts) - equal.predict_proba(texts)).max()
    assert gap > 1e-4
    np.testing.assert_allclose(boosted.predict_proba(texts).sum(axis=1), 1, rtol=1e-5)


def test_pairs_are_weighed():
    rng = np.random.default_rng(0)
    source, labels = reviews(60, "pan oven soup spoon kitchen", rng, share_wrong=0.3)
    few, few_labels = reviews(20, "novel chapter author page", rng)
    model = TextClassifier(TfidfEncoder(), transfer=TrAdaBoost())
    pairs = [(text, "a review") for text in source]
    model.fit([(text, "a review") for text in few], few_labels, source=Corpus(pairs, labels))
    assert model.weights_.highest(1)[0][0][1] == "a review" and np.ptp(model.weights_.weights) > 0


def test_numbers_are_refused_before_the_fit():
    model = TextRegressor(TfidfEncoder(), transfer=TrAdaBoost())
    with pytest.raises(ConfigError, match=r"TrAdaBoost\(\) needs one label per text, got numbers"):
        model.fit(["a b", "c d"], [1.0, 2.0], source=Corpus(["e f", "g h"], [1.0, 3.0]))

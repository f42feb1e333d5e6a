from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from nlptl import (
    Corpus,
    DensityRatioWeights,
    KernelMeanMatching,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import DomainFeatures
from nlptl.transfer.instances.density_ratio import classifier_ratio, domain_classifier, kernel_ratio
from nlptl.transfer.instances.source_weights import effective_share


def shifted(seed, *, n=1000, shift=0.7, n_columns=384):
    """Features of both domains, and the true weights of the source rows.

    The features have many columns, but the rows lie in a space of three dimensions. The target
    has more of the rows in one direction of it.
    """
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(n, 3)), rng.normal(size=(n, 3))
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    target += shift * direction
    basis = rng.normal(size=(3, n_columns))
    truth = np.exp(shift * source @ direction - shift**2 / 2)
    return source @ basis + 5, target @ basis + 5, truth


def pair(source, target, *, seed=0):
    none = np.zeros(0, dtype=np.int64)
    codes = np.zeros(source.shape[0], dtype=np.int64)
    return DomainFeatures(source, codes, target, target[:0], none, 2, seed)


# KernelMeanMatching is compared here as well, because the planted shift is the same.
METHODS = {
    "classifier": DensityRatioWeights(),
    "classifier, exponent 1": DensityRatioWeights(exponent=1.0),
    "rulsif": DensityRatioWeights("rulsif"),
    "kernel mean matching": KernelMeanMatching(),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_shift_is_found(method, seed):
    source, target, truth = shifted(seed)
    weights = method.weigh(pair(source, target))
    assert np.corrcoef(weights, truth)[0, 1] >= 0.9
    assert weights.mean() == pytest.approx(1) and weights.min() >= 0


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_sparse_features_have_the_same_weights_as_dense_ones(method):
    source, target, _ = shifted(0, n=300, n_columns=60)
    dense = method.weigh(pair(source, target))
    counts = method.weigh(pair(sparse.csr_matrix(source), sparse.csr_matrix(target)))
    assert np.corrcoef(counts, dense)[0, 1] > 0.99


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_domains_without_a_shift_have_nearly_equal_weights(method):
    source, target, _ = shifted(0, n=600, shift=0.0)
    assert effective_share(method.weigh(pair(source, target))) > 0.9


@pytest.mark.parametrize("method", ["classifier", "rulsif"])
def test_the_same_seed_returns_the_same_weights(method):
    source, target, _ = shifted(0, n=150)
    weights = [
        DensityRatioWeights(method).weigh(pair(source, target, seed=seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_probabilities_come_from_classifiers_that_did_not_see_the_row():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(60, 50)), rng.normal(size=(60, 50))  # no shift at all
    rows, is_target = np.vstack([source, target]), np.repeat([0, 1], 60)
    fitted = domain_classifier(120).fit(rows, is_target)
    seen = np.exp(fitted.decision_function(source))
    # Its training rows seem to lie far from the target. Held-out rows do not, in the mean.
    assert np.median(seen) < 0.7
    assert 0.9 < np.median(classifier_ratio(source, target)) < 1.2


def test_the_number_of_target_rows_does_not_change_the_level_of_the_ratio():
    source, target, truth = shifted(0, n=1000, n_columns=3)
    for few in (200, 1000):
        ratio = classifier_ratio((source - 5) / 3, (target[:few] - 5) / 3)
        assert ratio.mean() == pytest.approx(truth.mean(), abs=0.15)


def test_the_exponent_flattens_and_bounds_hold_before_the_mean_is_set():
    source, target, _ = shifted(0, n=500, shift=3.0)
    shares = []
    for exponent in (0.25, 0.5, 1.0):
        weights = DensityRatioWeights(exponent=exponent).weigh(pair(source, target))
        assert weights.max() / weights.min() <= 100 + 1e-9
        shares.append(effective_share(weights))
    assert shares[0] > shares[1] > shares[2]
    assert weights.max() / weights.min() == pytest.approx(100)
    default = DensityRatioWeights().weigh(pair(source, target))
    np.testing.assert_array_equal(
        default, DensityRatioWeights(exponent=0.5).weigh(pair(source, target))
    )


def test_alpha_bounds_the_ratio_of_rulsif():
    source, target, _ = shifted(0, n=500, shift=2.0)
    rows = (source - 5) / 15, (target - 5) / 15
    assert kernel_ratio(*rows, alpha=0.5).max() < 3 < kernel_ratio(*rows, alpha=0.0).max()
    spread = [
        np.ptp(DensityRatioWeights("rulsif", alpha=alpha).weigh(pair(source, target)))
        for alpha in (0.1, 0.6)
    ]
    assert spread[0] > spread[1]


def test_the_order_of_the_target_rows_does_not_choose_the_centres():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(800, 2)) for _ in range(2)]
    for part in rows:
        part[400:, 0] += 12  # the second half of the rows is a group of its own
    source, target = rows
    target[400:, 1] += 1  # only there, the domains differ
    ratio = kernel_ratio(source, target)[400:]
    assert np.corrcoef(ratio, np.exp(source[400:, 1]))[0, 1] > 0.8


@pytest.mark.parametrize("name", METHODS)
def test_domains_are_compared_in_few_dimensions(name):
    source, target, _ = shifted(0, n=200)
    weights = [
        replace(METHODS[name], n_dimensions=n).weigh(pair(source, target)) for n in (1, 3, 50)
    ]
    assert np.abs(weights[0] - weights[1]).max() > 0.1
    assert np.corrcoef(weights[1], weights[2])[0, 1] > 0.95  # there are only three


@pytest.mark.parametrize("method", ["classifier", "rulsif"])
def test_domains_with_little_in_common_are_refused(method):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) * 0.1
    source[:4] *= 0.1  # four source rows lie where the target is
    source[4:, 0] += 8
    with pytest.raises(ConfigError, match=r"DensityRatioWeights\(\) must have .* at least 0.1"):
        DensityRatioWeights(method, exponent=1.0, alpha=0.0).weigh(pair(source, target))


@pytest.mark.parametrize(
    "options",
    [
        {"method": "kliep"},
        {"exponent": 0.0},
        {"exponent": 1.5},
        {"alpha": 1.0},
        {"alpha": -0.1},
        {"n_dimensions": 0},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        DensityRatioWeights(**options)


@pytest.mark.parametrize("sizes", [(1, 5), (5, 1)])
@pytest.mark.parametrize("method", ["classifier", "rulsif"])
def test_one_row_is_no_domain(sizes, method):
    source, target = (np.arange(3.0 * n).reshape(n, 3) for n in sizes)
    with pytest.raises(InputError, match=r"at least (two|2)"):
        DensityRatioWeights(method).weigh(pair(source, target))


def texts_of(topics, rng):
    words = {
        "cooking": "pan oven soup spoon kitchen recipe",
        "reading": "novel chapter author page story poem",
    }
    quality = {"good": "great love fine", "bad": "broken awful waste"}
    labels = rng.permutation(["good", "bad"] * (len(topics) // 2))
    texts = [
        " ".join(rng.choice(f"{words[topic]} {quality[label]} {quality[label]}".split(), 9))
        for topic, label in zip(topics, labels, strict=True)
    ]
    return texts, labels.tolist()


@pytest.mark.parametrize("method", ["classifier", "rulsif"])
def test_a_fit_gives_texts_like_those_of_the_target_more_weight(method):
    rng = np.random.default_rng(0)
    source = texts_of(["cooking"] * 40 + ["reading"] * 40, rng)
    target, truth = texts_of(["reading"] * 70 + ["cooking"] * 10, rng)
    model = TextClassifier(TfidfEncoder(), transfer=DensityRatioWeights(method))
    model.fit([], [], source=Corpus(*source), unlabeled=Corpus(target))
    weights = model.weights_.weights
    assert weights[40:].mean() > 1.5 * weights[:40].mean()
    assert model.score(target, truth) > 0.9
    plain = TextClassifier(TfidfEncoder()).fit(*source).predict_proba(target)
    assert not np.allclose(model.predict_proba(target), plain)
    named = TextClassifier(TfidfEncoder(), transfer=DensityRatioWeights(method))
    named.fit(*source, unlabeled=Corpus(target))  # labelled rows are the source, too
    np.testing.assert_allclose(named.predict_proba(target), model.predict_proba(target), atol=1e-6)


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_pairs_several_labels_and_numbers_are_weighed(method):
    rng = np.random.default_rng(0)
    source, labels = texts_of(["cooking"] * 30 + ["reading"] * 30, rng)
    target, _ = texts_of(["reading"] * 30 + ["cooking"] * 10, rng)
    numbers = [float(label == "good") for label in labels]
    several = [["review", label] if label == "good" else [label] for label in labels]

    def paired(texts):
        return [(text, "a review") for text in texts]

    for kind, texts, answers, others in (
        (TextClassifier, paired(source), labels, paired(target)),
        (TextClassifier, source, several, target),
        (TextRegressor, source, numbers, target),
    ):
        model = kind(TfidfEncoder(), transfer=method)
        model.fit([], [], source=Corpus(texts, answers), unlabeled=Corpus(others))
        assert np.ptp(model.weights_.weights) > 0 and len(model.predict(others)) == 40


def test_each_source_has_weights_of_its_own():
    rng = np.random.default_rng(0)
    sources = {
        name: Corpus(*texts_of(topics, rng))
        for name, topics in {
            "near": ["reading"] * 30 + ["cooking"] * 10,
            "far": ["cooking"] * 30 + ["reading"] * 10,
        }.items()
    }
    target, _ = texts_of(["reading"] * 40, rng)
    model = TextClassifier(TfidfEncoder(), transfer=DensityRatioWeights())
    weights = model.fit([], [], source=sources, unlabeled=Corpus(target)).weights_
    domains = np.array(weights.domains)
    for name, n_near in (("near", 30), ("far", 10)):
        of_domain = weights.weights[domains == name]
        is_near = np.arange(40) < 30 if name == "near" else np.arange(40) >= 30
        assert of_domain.mean() == pytest.approx(1) and is_near.sum() == n_near
        assert of_domain[is_near].mean() > 1.5 * of_domain[~is_near].mean()

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVR
from sklearn.utils import get_tags

from nlptl import (
    BlendHead,
    Corpus,
    Frozen,
    FullFineTune,
    FusedEncoder,
    LogisticHead,
    MLPHead,
    RidgeHead,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.encoders import ResidualFusion

WORDS = ["parcel", "money", "phone", "app", "card", "box"]
QUICK = TrainingConfig(epochs=30, batch_size=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def prices():
    """Texts whose number is the sum of what their words cost, in thousands."""
    rng = np.random.default_rng(0)
    cost = dict(zip(WORDS, [1.0, 2.0, 4.0, 7.0, 11.0, 16.0], strict=True))
    texts, numbers = [], []
    for _ in range(200):
        words = rng.choice(WORDS, size=4)
        texts.append(" ".join(words))
        numbers.append(5000.0 + 1000 * sum(cost[word] for word in words) + rng.normal() * 100)
    return texts, numbers


def fitted(encoder, prices, **options):
    texts, numbers = prices
    return TextRegressor(encoder, device="cpu", **options).fit(texts[:150], numbers[:150])


def models(tiny_encoder, vectors_file):
    tiny, static = TransformerEncoder(tiny_encoder), StaticEncoder(vectors_file)
    fusion = FusedEncoder((tiny, static), fusion=ResidualFusion(16, dropout=0.0))
    return {
        "counts": TextRegressor(TfidfEncoder()),
        "vectors": TextRegressor(static),
        "frozen": TextRegressor(tiny_encoder),
        "top": TextRegressor(tiny_encoder, transfer=[Frozen("top")], long_texts="cut", seed=4),
        "network": TextRegressor(static, head=MLPHead((32,), dropout=0.0), training=QUICK),
        "fusion": TextRegressor(fusion, training=QUICK, device="cpu"),
    }


KINDS = list(models("", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_predicted_saved_and_read_back(
    kind, tiny_encoder, vectors_file, prices, tmp_path
):
    texts, numbers = prices
    model = models(tiny_encoder, vectors_file)[kind]
    assert model.fit(texts[:150], numbers[:150]) is model
    found = model.predict(texts[150:])
    assert found.dtype == np.float64
    assert found.shape == (50,)
    assert model.score(texts[150:], numbers[150:]) > 0.7
    again = TextRegressor.load(model.save(tmp_path / "m", notes={"unit": "cents"}))
    np.testing.assert_allclose(again.predict(texts), model.predict(texts), rtol=1e-4)
    assert (again.seed, again.long_texts) == (model.seed, model.long_texts)
    assert again.notes_ == {"unit": "cents"}
    assert clone(again).fit(texts, numbers).predict(texts).shape == (200,)


def test_the_scale_of_the_numbers_is_kept_as_json(tiny_encoder, prices, tmp_path):
    model = fitted(TfidfEncoder(), prices)
    folder = model.save(tmp_path / "m")
    kept = json.loads((folder / "model.json").read_text())["codec"]
    assert kept["mean"] == pytest.approx(np.mean(prices[1][:150]))
    assert kept["scale"] == pytest.approx(np.std(prices[1][:150]))
    assert json.loads((folder / "manifest.json").read_text())["kind"] == "text-regressor"
    with pytest.raises(StorageError, match="holds a text-regressor, not a text-classifier"):
        TextClassifier.load(folder)


def test_the_audit_counts_rows_and_no_classes(prices):
    texts, numbers = prices
    model = fitted(TfidfEncoder(), ([texts[1], *texts[1:]], numbers))
    assert model.audit_.n_rows == 150
    assert model.audit_.repeated >= 1
    assert model.audit_.class_counts == {}


def test_the_unit_of_the_numbers_does_not_matter(tiny_encoder, prices):
    texts, numbers = prices
    thousands = np.array(numbers) / 1000 - 3
    plain = fitted(tiny_encoder, prices).predict(texts)
    other = fitted(tiny_encoder, (texts, thousands)).predict(texts)
    np.testing.assert_allclose(other, plain / 1000 - 3, rtol=1e-6)


def test_every_figure_is_measured(prices):
    texts, numbers = prices
    model = fitted(TfidfEncoder(), prices)
    figures, found = model.evaluate(texts[150:], numbers[150:]), model.predict(texts[150:])
    assert list(figures) == ["pearson", "spearman", "rmse", "mae", "r2"]
    assert figures["pearson"] == pytest.approx(pearsonr(found, numbers[150:]).statistic)
    assert figures["r2"] == pytest.approx(r2_score(numbers[150:], found))
    assert model.score(texts[150:], numbers[150:]) == pytest.approx(figures["r2"])
    weights = np.arange(1.0, 51.0)
    assert model.score(texts[150:], numbers[150:], weights) == pytest.approx(
        r2_score(numbers[150:], found, sample_weight=weights)
    )


def test_scikit_learn_knows_what_it_is_and_searches_it(tiny_encoder, prices):
    texts, numbers = prices
    assert is_regressor(TextRegressor())
    tags = get_tags(TextRegressor())
    assert tags.input_tags.string and not tags.input_tags.two_d_array
    assert len(cross_val_score(TextRegressor(TfidfEncoder()), texts, numbers, cv=3)) == 3
    search = GridSearchCV(
        TextRegressor(tiny_encoder, transfer=Frozen(), head=RidgeHead()),
        {"transfer__layers": ["top", "all"], "head__alpha": [0.01, 1000.0]},
        cv=2,
    ).fit(texts, numbers)
    assert search.best_params_["head__alpha"] == 0.01
    assert search.best_score_ > 0.8
    with pytest.raises(NotFittedError):
        TextRegressor().predict(texts)
    with pytest.raises(NotFittedError):
        TextRegressor().evaluate(texts, numbers)


def test_the_constructor_is_that_of_the_classifier_less_what_is_for_classes():
    ours, theirs = TextRegressor().get_params(), TextClassifier().get_params()
    assert set(theirs) - set(ours) == {"imbalance"}
    assert list(ours) == [name for name in theirs if name != "imbalance"]


def test_pairs_are_read_one_by_one_where_frozen(vectors_file, prices):
    texts, numbers = prices
    pairs = [tuple(text.split(" ", 1)) for text in texts]
    model = fitted(StaticEncoder(vectors_file), (pairs, numbers))
    assert model.score(pairs[150:], numbers[150:]) > 0.8
    with pytest.raises(InputError, match="trained on pairs of texts, got single texts"):
        model.predict(texts)


def test_layers_are_chosen_by_the_error_of_the_numbers(tiny_encoder, prices, monkeypatch):
    from nlptl.transfer.features import frozen

    seen = []
    real = frozen.choose_weights
    monkeypatch.setattr(
        frozen, "choose_weights", lambda *given: seen.append(given[3]) or real(*given)
    )
    texts, numbers = prices
    TextRegressor(tiny_encoder, transfer=Frozen("auto")).fit(texts, numbers)
    assert seen[0].shape == (200, 1)
    np.testing.assert_allclose(seen[0][:, 0] * np.std(numbers) + np.mean(numbers), numbers)


@pytest.mark.parametrize("head", [None, RidgeHead(alpha=0.1), MLPHead((16,), dropout=0.0)])
def test_the_encoder_is_tuned_with_the_head(tiny_encoder, prices, tmp_path, head):
    texts, numbers = prices
    training = TrainingConfig(epochs=8, batch_size=8, learning_rate=3e-3, refit=False)
    options = {"transfer": FullFineTune(), "training": training, "head": head}
    model = fitted(tiny_encoder, prices, **options)
    assert model.score(texts[150:], numbers[150:]) > 0.9
    assert model.history_.losses[-1] < model.history_.losses[0]
    again = TextRegressor.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict(texts), model.predict(texts), rtol=1e-3)
    brief = TrainingConfig(max_steps=1, refit=False)
    again.set_params(device="cpu", training=brief).fit(texts[:40], numbers[:40])
    assert len(again.history_.steps) == 1


def test_tuning_starts_where_the_frozen_rung_ended_and_learns_from_every_row(
    tiny_encoder, prices, monkeypatch
):
    from nlptl.training.networks import text_training

    rows = []
    real = text_training.tune
    monkeypatch.setattr(
        text_training, "tune", lambda *given, **more: rows.append(given[1]) or real(*given, **more)
    )
    texts = prices[0]
    still = TrainingConfig(epochs=1, learning_rate=1e-12)
    tuned = fitted(tiny_encoder, prices, transfer=FullFineTune(), training=still)
    encoder = TransformerEncoder(tiny_encoder, precision="float32")
    frozen = fitted(encoder, prices, transfer=Frozen("top"))
    # The frozen rung may compute with fewer digits, which a weak penalty makes visible.
    apart = np.abs(tuned.predict(texts) - frozen.predict(texts))
    assert apart.max() < 0.1 * np.std(prices[1])
    assert len(rows[0].targets) == 150


def test_the_squared_error_on_validation_rows_decides_how_long(tiny_encoder, prices):
    texts, numbers = prices
    training = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-3)
    model = TextRegressor(tiny_encoder, transfer=FullFineTune(), training=training, device="cpu")
    unseen = Corpus(texts[150:], numbers[150:])
    model.fit(texts[:150], numbers[:150], validation=unseen)
    assert len(model.history_.scores) == 3
    wrong = model.evaluate(texts[150:], numbers[150:])["rmse"] / np.std(numbers[:150])
    assert -max(model.history_.scores) == pytest.approx(wrong**2, rel=0.05)


def test_weights_of_rows_count(vectors_file):
    texts, numbers = ["the parcel came late"] * 40, [1.0, 3.0] * 20
    weights = [9.0, 1.0] * 20
    for head in (None, MLPHead((8,), dropout=0.0)):
        model = TextRegressor(StaticEncoder(vectors_file), head=head, training=QUICK, device="cpu")
        plain = model.fit(texts, numbers).predict(texts[:1])[0]
        model.fit(texts, numbers, sample_weight=weights)
        assert model.predict(texts[:1])[0] < plain - 0.5
    assert fitted(TfidfEncoder(), (texts[:2], [1.0, 3.0])).predict(texts[:1])[0] == 2.0


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1.0, float("nan"), 2.0, 3.0], "row 1 is nan"),
        ([1.0, 2.0, float("inf"), 3.0], "row 2 is inf"),
        (["1", "2", "3", "4"], "row 0 is '1'"),
        ([True, False, True, False], r"row 0 is True \(bool\)"),
        ([5, 5, 5, 5], "at least two different numbers, but all 4 are 5.0"),
        ([1, 2, 3], "got 4 texts and 3"),
        (pd.DataFrame({"a": [1] * 4, "b": [2] * 4}), r"columns \['a', 'b'\]"),
    ],
    ids=repr,
)
def test_what_are_no_numbers_is_shown(numbers, said):
    with pytest.raises(InputError, match=said):
        TextRegressor(TfidfEncoder()).fit(["a b", "b c", "c d", "d e"], numbers)


@pytest.mark.parametrize("head", [LogisticHead(), BlendHead(), LogisticRegression()], ids=repr)
def test_a_head_for_classes_is_refused_by_name(head, prices):
    with pytest.raises(ConfigError, match=f"{type(head).__name__} predicts classes, not numbers"):
        fitted(TfidfEncoder(), prices, head=head)
    with pytest.raises(ConfigError, match=r"such as RidgeHead\(\), got 3"):
        fitted(TfidfEncoder(), prices, head=3)


@pytest.mark.parametrize("head", [RidgeHead(), SVR()], ids=repr)
def test_a_head_for_numbers_is_refused_where_there_are_classes(head):
    with pytest.raises(ConfigError, match=f"{type(head).__name__} predicts numbers"):
        TextClassifier(TfidfEncoder(), head=head).fit(["a", "b"], ["x", "y"])


def test_a_regressor_of_scikit_learn_is_a_head(vectors_file, prices, tmp_path):
    texts, numbers = prices
    model = fitted(StaticEncoder(vectors_file), prices, head=SVR(C=10.0))
    assert model.score(texts[150:], numbers[150:]) > 0.8
    with pytest.raises(StorageError, match="SVR cannot be saved"):
        model.save(tmp_path / "m")


def test_a_fit_that_fails_leaves_the_model_as_it_was(prices):
    texts, _ = prices
    model = fitted(TfidfEncoder(), prices)
    before = model.predict(texts)
    with pytest.raises(InputError):
        model.fit(texts, ["x"] * 200)
    np.testing.assert_array_equal(model.predict(texts), before)


def test_arguments_that_nothing_uses_are_refused(tiny_encoder, prices):
    texts, numbers = prices
    for argument in ("source", "validation", "unlabeled"):
        with pytest.raises(ConfigError, match=f"fit received {argument}="):
            TextRegressor(tiny_encoder, transfer=Frozen()).fit(
                texts, numbers, **{argument: Corpus(texts, numbers)}
            )


def test_numbers_and_weights_from_iterators_are_read_once():
    texts, numbers = ["one", "two", "three", "four"], [1.0, 2.0, 3.0, 4.0]
    model = TextRegressor(TfidfEncoder()).fit(
        iter(texts), iter(numbers), sample_weight=iter([1.0] * 4)
    )
    expected = model.score(texts, numbers)
    assert model.score(iter(texts), iter(numbers), iter([1.0] * 4)) == expected
    with pytest.raises(InputError, match="got 4 texts and 1 numbers"):
        model.score(texts, [1.0])
    with pytest.raises(InputError, match="sample_weight holds -1 at row 0"):
        model.score(texts, numbers, [-1, 1, 1, 1])


def test_one_text_is_a_list_of_one_and_no_texts_have_no_numbers(prices):
    texts, numbers = prices
    model = fitted(TfidfEncoder(), prices)
    np.testing.assert_array_equal(model.predict(texts[0]), model.predict(texts[:1]))
    empty = model.predict([])
    assert (empty.shape, empty.dtype) == ((0,), np.float64)
    for measure in (model.score, model.evaluate):
        with pytest.raises(InputError, match="Wrap it in a list"):
            measure(texts[0], numbers[:1])
        with pytest.raises(InputError, match="at least one"):
            measure([], [])
    with pytest.raises(InputError, match="Wrap it in a list"):
        model.fit(texts[0], numbers[:1])

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

from nlptl import Cascade, FusedEncoder, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators import model_cascade as module
from nlptl.evaluation.answer_threshold import AnswerThreshold, losses_of
from nlptl.serving.answers import answers


@pytest.fixture(scope="module")
def models(support):
    """An accurate and a fast classifier of the support requests, and the held-out rows."""
    texts, labels = support
    accurate = TextClassifier(TfidfEncoder()).fit(texts[::2], labels[::2])
    fast = TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4])
    return fast, accurate, texts[1::2], labels[1::2]


@pytest.fixture(autouse=True)
def faked_speeds(monkeypatch):
    """Let the first model that is timed be a hundred times as fast as the second."""
    speeds = []

    def timed(predict, rows):
        speeds.append(1000.0 if len(speeds) % 2 == 0 else 10.0)
        return predict(rows), speeds[-1]

    monkeypatch.setattr(module, "timed_prediction", timed)


@pytest.fixture
def cascade(models):
    fast, accurate, texts, labels = models
    return Cascade(fast, accurate, max_loss=0.05).fit(texts, labels)


def test_the_fast_model_answers_where_it_is_sure(models, cascade):
    fast, accurate, texts, _ = models
    routes = cascade.route(texts)
    assert 0 < routes.share_passed_on < 1
    sure = fast.predict_proba(texts).max(axis=1) >= cascade.threshold_
    assert (routes.passed_on == ~sure).all()
    expected = np.where(sure, fast.predict(texts), accurate.predict(texts))
    assert (cascade.predict(texts) == expected).all()
    np.testing.assert_allclose(
        routes.probabilities[~sure], accurate.predict_proba(texts)[~sure], atol=1e-6
    )
    assert cascade.report_.passed_on == pytest.approx(routes.share_passed_on)


def test_the_loss_on_the_held_out_texts_is_the_reported_one(models, cascade):
    _, accurate, texts, labels = models
    loss = accurate.score(texts, labels) - cascade.score(texts, labels)
    assert cascade.report_.loss == pytest.approx(loss) and cascade.report_.bound <= 0.05


def test_without_labels_differences_count_and_less_is_answered(models, cascade):
    fast, accurate, texts, _ = models
    other = Cascade(fast, accurate, max_loss=0.05).fit(texts)
    assert other.threshold_ >= cascade.threshold_ and not other.report_.has_labels
    changed = (other.predict(texts) != accurate.predict(texts)).mean()
    assert other.report_.loss == pytest.approx(changed) and changed <= 0.05


def test_a_fast_model_that_saves_no_time_never_answers(models, monkeypatch, caplog):
    fast, accurate, texts, labels = models
    monkeypatch.setattr(module, "timed_prediction", lambda predict, rows: (predict(rows), 1.0))
    slow = Cascade(fast, accurate, max_loss=0.05).fit(texts, labels)
    assert slow.threshold_ == np.inf and "saves no time" in caplog.text
    assert slow.route(texts).passed_on.all() and slow.report_.passed_on == 1
    assert (slow.predict(texts) == accurate.predict(texts)).all()


def test_a_fast_model_may_lack_a_class(models, support):
    _, accurate, texts, labels = models
    rows = [i for i, label in enumerate(support[1]) if label != "billing"][::4]
    fast = TextClassifier(TfidfEncoder())
    fast.fit([support[0][i] for i in rows], [support[1][i] for i in rows])
    found = Cascade(fast, accurate, max_loss=0.3).fit(texts, labels)
    assert found.predict_proba(texts).shape == (len(texts), 8)
    np.testing.assert_allclose(found.predict_proba(texts).sum(axis=1), 1, atol=1e-5)


def test_metrics_name_the_share_that_was_passed_on(models, cascade):
    *_, texts, labels = models
    metrics = cascade.evaluate(texts, labels)
    assert metrics["accuracy"] == pytest.approx(cascade.score(texts, labels))
    assert metrics["passed_on"] == cascade.route(texts).share_passed_on
    assert [row.name for row in cascade.class_scores(texts, labels)] == cascade.classes_.tolist()


def test_it_is_served_as_a_classifier(cascade):
    answer = answers(cascade, ["I was charged twice."])[0]
    assert answer["label"] == cascade.predict(["I was charged twice."])[0]
    assert set(answer["probabilities"]) == set(cascade.classes_.tolist())


def test_scikit_learn_can_copy_and_cross_validate_it(models, cascade):
    fast, _, texts, labels = models
    copied = clone(cascade)
    assert copied.fast is fast and not hasattr(copied, "threshold_")
    assert (copy.deepcopy(cascade).predict(texts) == cascade.predict(texts)).all()
    texts, labels = np.array(texts, dtype=object), np.array(labels)
    scores = cross_val_score(clone(cascade), texts, labels, cv=3)
    assert np.isfinite(scores).all() and cascade.get_params()["max_loss"] == 0.05


def test_an_unknown_label_is_a_loss_where_the_answers_differ(models):
    fast, accurate, texts, labels = models
    differ = np.flatnonzero(fast.predict(texts) != accurate.predict(texts))
    other = list(labels)
    other[differ[0]] = "never seen"
    losses = losses_of(
        *(m.predict_proba(texts).argmax(axis=1) for m in (fast, accurate)),
        accurate.fitted_.codec.encode(other, allow_unseen=True),
    )
    assert losses[differ[0]] == 1


def test_models_that_read_different_columns_are_refused(support):
    texts, labels = support
    table = pd.DataFrame({"text": texts, "price": 1.0, "weight": 2.0})
    parts = [
        TextClassifier(
            FusedEncoder((TfidfEncoder(),), numeric_columns=(c,), text_columns=("text",))
        )
        for c in ("weight", "price")
    ]
    fast, accurate = (part.fit(table[::2], labels[::2]) for part in parts)
    with pytest.raises(ConfigError, match="same columns"):
        Cascade(fast, accurate, max_loss=0.05).fit(table[1::2], labels[1::2])
    plain = TextClassifier(TfidfEncoder()).fit(texts[::2], labels[::2])
    cascade = Cascade(plain, accurate, max_loss=0.05).fit(table[1::2], labels[1::2])
    assert len(cascade.predict(table[:9])) == 9


def test_labels_may_be_tuples(models):
    _fast, _accurate, texts, labels = models
    pairs = [(label, 1) for label in labels]
    parts = [TextClassifier(TfidfEncoder()).fit(texts, pairs) for _ in range(2)]
    cascade = Cascade(*parts, max_loss=0.05).fit(texts, pairs)
    assert cascade.score(texts, pairs) == parts[1].score(texts, pairs)
    np.testing.assert_allclose(
        cascade.predict_log_proba(texts[:3]), np.log(cascade.predict_proba(texts[:3]))
    )


def test_the_warning_says_why_the_fast_model_never_answers(models, monkeypatch, caplog):
    fast, accurate, texts, labels = models
    never = AnswerThreshold(float("inf"), 0.0, 0.0, 0.0)
    monkeypatch.setattr(module, "choose_threshold", lambda *_, **__: never)
    Cascade(fast, accurate, max_loss=0.05).fit(texts, labels)
    assert "already differ too often" in caplog.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_loss": 0}, "max_loss"),
        ({"max_loss": "0.1"}, "max_loss"),
        ({"confidence": 1}, "confidence"),
    ],
)
def test_options_out_of_range_are_refused(models, options, words):
    fast, accurate, texts, _ = models
    with pytest.raises(ConfigError, match=words):
        Cascade(fast, accurate, **options).fit(texts)


def test_models_that_cannot_be_used_are_refused(models, few):
    fast, accurate, texts, labels = models
    numbers = TextRegressor(TfidfEncoder()).fit(texts, range(len(texts)))
    several = TextClassifier(TfidfEncoder()).fit(texts, [[label] for label in labels])
    other = TextClassifier(TfidfEncoder()).fit(few[0], ["x", "y"] * 20)
    for wrong, words in (
        (TextClassifier(TfidfEncoder()), "fitted TextClassifier"),
        ("model/", "fitted TextClassifier"),
        (numbers, "predicts numbers"),
        (several, "several labels per text"),
        (other, "'x', which is no class of the accurate model"),
    ):
        with pytest.raises(ConfigError, match=words):
            Cascade(wrong, accurate).fit(texts, labels)
    with pytest.raises(InputError, match="at least 460 held-out texts, got 240"):
        Cascade(fast, accurate).fit(texts, labels)
    cascade = Cascade(fast, accurate, max_loss=0.05)
    with pytest.raises(InputError):
        cascade.fit(texts, labels[:-1])
    with pytest.raises(InputError):
        cascade.fit([(text, text) for text in texts], labels)
    with pytest.raises(InputError, match="ACCESS"):
        cascade.fit(texts, [label.upper() for label in labels])
    for part in (cascade.fit(texts, labels), Pipeline([("model", fast)])):
        with pytest.raises(ConfigError, match="fitted TextClassifier"):
            Cascade(part, accurate, max_loss=0.05).fit(texts, labels)


@pytest.mark.parametrize("threshold", [0.5, float("inf")])
def test_one_text_is_a_list_of_one_and_no_texts_have_no_answers(models, cascade, threshold):
    cascade.threshold_ = threshold
    text, label = models[2][0], models[3][0]
    assert cascade.predict(text).tolist() == cascade.predict([text]).tolist()
    assert cascade.predict_proba(text).shape == (1, len(cascade.classes_))
    assert cascade.predict([]).dtype == cascade.predict([text]).dtype
    assert cascade.predict([]).shape == (0,)
    assert cascade.predict_proba([]).shape == (0, len(cascade.classes_))
    assert cascade.route([]).passed_on.shape == (0,)
    for measure in (cascade.score, cascade.evaluate, cascade.class_scores):
        with pytest.raises(InputError, match="Wrap it in a list"):
            measure(text, [label])
        with pytest.raises(InputError, match="at least one"):
            measure([], [])

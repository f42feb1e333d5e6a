import json
import tracemalloc

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import f1_score

from nlptl.heads.calibration import decision
from nlptl.heads.calibration.decision import Decision, best_temperature, best_thresholds, spread_of


def test_probabilities_sum_to_one_or_stand_alone():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    single = Decision(temperature=2.0).probabilities(logits)
    np.testing.assert_allclose(single, softmax(logits / 2, axis=1))
    several = Decision(thresholds=np.array([0.5, 0.8])).probabilities(logits)
    np.testing.assert_allclose(several, expit(logits))


def test_what_is_chosen_is_what_is_most_probable_also_with_offsets():
    logits = np.array([[1.0, 0.9], [3.0, 0.0]])
    moved = Decision(offsets=np.array([0.0, 0.5]))
    shares = moved.probabilities(logits)
    assert moved.choose(shares).tolist() == shares.argmax(axis=1).tolist() == [1, 0]
    several = Decision(thresholds=np.array([0.5, 0.8]))
    assert several.choose(np.array([[0.5, 0.79], [0.1, 0.8]])).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("truth", [0.25, 1.0, 6.0])
def test_the_temperature_that_made_the_labels_is_found(truth):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3)) * 4
    shares = softmax(logits / truth, axis=1)
    codes = (shares.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert best_temperature(logits, codes) == pytest.approx(truth, rel=0.1)


def test_the_temperature_of_several_labels_is_found_too():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 2)) * 4
    codes = (rng.random((20_000, 2)) < expit(logits / 3)).astype(int)
    assert best_temperature(logits, codes) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("several", [False, True])
def test_few_rows_that_are_all_right_do_not_make_sure(several):
    truth = np.eye(2, dtype=int)[[0, 1] * 10]
    logits = truth * 3.0 - 1.5
    codes = truth if several else truth.argmax(axis=1)
    read = expit if several else lambda scaled: softmax(scaled, axis=1)
    sure = read(logits / best_temperature(logits, codes)).max(axis=1)
    np.testing.assert_allclose(sure, 20.5 / 21, atol=1e-4)  # half of one row more is wrong


def test_thresholds_are_the_best_on_the_rows_given():
    rng = np.random.default_rng(0)
    shares = rng.random((400, 2))
    truth = (shares + rng.normal(size=(400, 2)) * 0.2 > [0.9, 0.3]).astype(int)
    found = best_thresholds(shares, truth)
    for label in range(2):
        best = max(f1_score(truth[:, label], shares[:, label] >= t) for t in np.linspace(0, 1, 201))
        reached = f1_score(truth[:, label], shares[:, label] >= found[label])
        assert reached >= best - 0.005


def test_a_label_with_hardly_any_rows_takes_the_common_threshold():
    rng = np.random.default_rng(0)
    shares = rng.random((200, 3))
    truth = (shares > 0.6).astype(int)
    truth[:, 2] = 0
    truth[0, 2] = 1
    found = best_thresholds(shares, truth)
    assert found[2] not in (found[0], found[1])
    assert 0.3 < found[2] < 0.9


def test_equal_probabilities_are_not_told_apart():
    (found,) = best_thresholds(np.full((10, 1), 0.4), np.array([[1]] * 6 + [[0]] * 4))
    assert found <= 0.4


def test_a_decision_survives_json():
    decision = Decision(1.5, np.array([0.1, -0.2]), np.array([0.3, 0.4]))
    again = Decision.from_json(json.loads(json.dumps(decision.to_json())))
    np.testing.assert_array_equal(again.offsets, decision.offsets)
    np.testing.assert_array_equal(again.thresholds, decision.thresholds)
    assert Decision.from_json(Decision().to_json()) == Decision()


def test_the_temperature_of_many_classes_needs_no_table_of_rows_by_classes(monkeypatch):
    rng = np.random.default_rng(0)
    n_classes = 1_000
    targets = np.repeat(np.arange(n_classes), 2)
    logits = rng.normal(size=(len(targets), n_classes))
    logits[np.arange(len(targets)), targets] += 5
    at_once = best_temperature(logits, targets)
    monkeypatch.setattr(decision, "_NUMBERS_AT_ONCE", 50 * n_classes)
    tracemalloc.start()
    found = best_temperature(logits, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == at_once
    assert peak < logits.nbytes / 4


def test_the_spread_of_logits_ignores_what_the_classes_of_a_row_have_in_common():
    logits = np.array([[1.0, 3.0], [11.0, 13.0]])
    assert spread_of(logits) == pytest.approx(1.0)
    assert spread_of(logits, several=True) == pytest.approx(np.std(logits))
    assert spread_of(np.zeros((3, 2))) > 0

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, precision_recall_fscore_support

from nlptl.evaluation import class_metrics

TRUTH = np.array([0, 0, 1, 1, 2])
CHOSEN = np.array([0, 1, 1, 1, 0])


def test_figures_by_hand():
    assert class_metrics.accuracy(TRUTH, CHOSEN) == 0.6
    # class 0: P 1/2, R 1/2; class 1: P 2/3, R 1; class 2: nothing
    assert class_metrics.macro_f1(TRUTH, CHOSEN) == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert class_metrics.micro_f1(TRUTH, CHOSEN) == pytest.approx(0.6)
    assert class_metrics.matthews(TRUTH, TRUTH) == 1.0
    assert class_metrics.matthews(TRUTH, np.zeros(5, dtype=int)) == 0.0


@pytest.mark.parametrize("averaged", ["macro", "micro"])
def test_f1_is_as_scikit_learn_has_it(averaged):
    rng = np.random.default_rng(0)
    ours = class_metrics.macro_f1 if averaged == "macro" else class_metrics.micro_f1
    for n_classes in (1, 2, 5, 40):
        truth, chosen = rng.integers(0, n_classes, (2, 60))
        wanted = f1_score(truth, chosen, average=averaged, zero_division=0)
        assert ours(truth, chosen) == pytest.approx(wanted)
        truth, chosen = (rng.random((2, 30, n_classes + 1)) < 0.2).astype(int)
        truth[:, 0] = chosen[:, 0] = 0
        wanted = f1_score(truth, chosen, average=averaged, zero_division=0)
        assert ours(truth, chosen) == pytest.approx(wanted)


def test_several_labels_by_hand():
    truth, chosen = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    assert class_metrics.accuracy(truth, chosen) == 0.5
    assert class_metrics.macro_f1(truth, chosen) == pytest.approx((2 / 3 + 1) / 2)
    shares = np.array([[0.5, 0.5], [0.25, 0.75]])
    wanted = -np.log([0.5, 0.5, 0.25, 0.75]).mean()
    assert class_metrics.log_loss(truth, shares) == pytest.approx(wanted)


def test_log_loss_by_hand_and_never_infinite():
    shares = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert class_metrics.log_loss(np.array([0, 1]), shares) == pytest.approx(
        -np.log([0.5, 0.75]).mean()
    )
    assert np.isfinite(class_metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])))


def test_calibration_is_the_gap_between_confidence_and_accuracy():
    shares = np.tile([0.8, 0.2], (10, 1))
    truth = np.array([0] * 8 + [1] * 2)
    assert class_metrics.calibration_error(truth, shares) == pytest.approx(0.0)
    assert class_metrics.calibration_error(np.zeros(10, dtype=int), shares) == pytest.approx(0.2)
    several = np.array([[0.9], [0.9]])
    assert class_metrics.calibration_error(np.array([[1], [0]]), several) == pytest.approx(0.4)


def test_each_class_has_its_row_in_order():
    rows = class_metrics.class_scores(TRUTH, CHOSEN, ["a", "b", "c"])
    assert [row.name for row in rows] == ["a", "b", "c"]
    assert (rows[1].precision, rows[1].recall, rows[1].rows) == (pytest.approx(2 / 3), 1.0, 2)
    assert rows[2].f1 == 0.0


def test_how_many_ranks_a_choice_is_off():
    assert class_metrics.mean_rank_error(np.array([0, 1, 4]), np.array([0, 3, 3])) == 1.0


@pytest.mark.parametrize("n_classes", [2, 7])
def test_the_correlation_is_that_of_scikit_learn_without_a_table_of_all_classes(n_classes):
    rng = np.random.default_rng(0)
    truth, other = rng.integers(-1, n_classes, (2, 50))
    chosen = np.where(rng.random(50) < 0.6, truth, other)
    assert class_metrics.matthews(truth, chosen) == pytest.approx(matthews_corrcoef(truth, chosen))
    far = 10**12 * chosen
    assert class_metrics.matthews(far, far) == 1.0


def test_scores_are_a_list_that_is_shown_as_a_table():
    scores = class_metrics.class_scores(TRUTH, CHOSEN, ["a", "<b>", "c"])
    assert isinstance(scores, list) and len(scores) == 3
    frame = scores.frame()
    assert list(frame) == ["name", "precision", "recall", "f1", "rows"]
    assert frame["f1"].tolist() == [score.f1 for score in scores]
    assert "0.667" in str(scores) and "ClassScore" not in str(scores)
    assert "&lt;b&gt;" in scores._repr_html_() and "<b>" not in scores._repr_html_()
    assert class_metrics.ClassScores().frame().empty


def test_confused_classes_are_counted_the_most_frequent_first():
    truth, chosen = np.array([0, 0, 0, 1, 2, 2]), np.array([1, 2, 2, 1, 0, 0])
    assert class_metrics.confused_pairs(truth, chosen) == [(0, 2, 2), (2, 0, 2), (0, 1, 1)]
    assert class_metrics.confused_pairs(truth, truth) == []


def test_the_scores_of_a_single_possible_label_are_those_of_its_presence():
    truth, chosen = np.array([[1], [0], [1], [0], [0]]), np.array([[1], [0], [0], [0], [0]])
    (score,) = class_metrics.class_scores(truth, chosen, ["spam"])
    assert (score.precision, score.recall, score.rows) == (1.0, 0.5, 2)


@pytest.mark.parametrize("several", [False, True])
def test_class_scores_are_those_of_scikit_learn(several):
    rng = np.random.default_rng(0)
    shape = (60, 3) if several else 60
    truth, chosen = rng.integers(0, 2 if several else 3, (2, *np.atleast_1d(shape)))
    scores = class_metrics.class_scores(truth, chosen, ["a", "b", "c"])
    expected = precision_recall_fscore_support(truth, chosen, labels=[0, 1, 2])
    for index, score in enumerate(scores):
        figures = score.precision, score.recall, score.f1, score.rows
        assert figures == pytest.approx([column[index] for column in expected])

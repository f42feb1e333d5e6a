import numpy as np

from nlptl.heads.calibration.strength import CRITERIA, LOGIT_OF_ABSENT_CLASS, Chooser


def path(fold, strengths):
    """Answer with the share of each class among the rows seen, times the strength."""
    shares = np.bincount(fold.codes) / len(fold.codes)
    return [np.tile(np.log(shares) * s, (fold.asked.shape[0], 1)) for s in strengths]


def test_every_row_is_answered_by_a_fold_that_did_not_see_it():
    seen = []

    def watch(fold, strengths):
        seen.append((set(fold.X[:, 0]), set(fold.asked[:, 0])))
        return path(fold, strengths)

    codes = np.repeat([0, 1], 20)
    X = np.arange(40.0)[:, None]
    strength, held = Chooser("log_loss", 4, 0).choose(X, codes, None, (0.5, 1.0), watch)
    assert strength == 0.5  # equal shares: any strength ties, the first is kept
    assert held.logits.shape == (40, 2)
    assert len(seen) == 4
    assert all(not known & asked for known, asked in seen)
    assert set.union(*(asked for _, asked in seen)) == set(range(40))


def test_a_class_that_a_fold_has_not_seen_gets_no_chance():
    codes = np.array([0] * 30 + [1])
    _, held = Chooser("accuracy", 5, 0).choose(np.zeros((31, 1)), codes, None, (1.0,), path)
    row = held.logits[held.rows == 30][0]
    assert row[1] == LOGIT_OF_ABSENT_CLASS


def test_too_few_rows_give_nothing():
    chooser = Chooser("accuracy", 5, 0)
    assert chooser.choose(np.zeros((5, 1)), np.array([0, 0, 1, 1, 1]), None, (1.0,), path) is None
    alone = np.arange(30)
    assert chooser.choose(np.zeros((30, 1)), alone, None, (1.0,), path) is None


def test_many_rows_are_sampled(monkeypatch):
    monkeypatch.setattr("nlptl.heads.calibration.strength.MAX_ROWS_TO_CHOOSE_ON", 50)
    codes = np.repeat([0, 1], 200)
    _, held = Chooser("accuracy", 5, 0).choose(np.zeros((400, 1)), codes, None, (1.0,), path)
    assert len(held.rows) == 50


def test_criteria_prefer_what_they_say():
    codes = np.array([0, 1])
    right, unsure = np.array([[2.0, 0], [0, 2.0]]), np.array([[0.1, 0], [0, 0.1]])
    for criterion in CRITERIA.values():
        assert criterion(right, codes) > criterion(unsure, codes) > criterion(-right, codes)

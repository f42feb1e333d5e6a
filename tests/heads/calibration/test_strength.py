import numpy as np
import pytest

from nlptl.data.targets import Targets
from nlptl.heads import DiscriminantHead, LogisticHead, PrototypeHead
from nlptl.heads.calibration.strength import CRITERIA, Chooser, of_all_classes
from nlptl.heads.solver_fit import fit_solver


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
    codes = np.array([0, 1] * 15 + [2])
    _, held = Chooser("accuracy", 5, 0).choose(np.zeros((31, 1)), codes, None, (1.0,), path)
    assert 30 not in held.rows and len(held.rows) == 30
    for offset in (0.0, 300.0, -300.0):  # logits have no absolute scale
        logits = of_all_classes(np.array([[1.0, 2.0], [4.0, 3.0]]) + offset, np.array([0, 2]), 3)
        assert (logits[:, 1] < logits[:, [0, 2]].min(axis=1) - 3).all()


def test_a_class_of_a_single_row_does_not_change_the_temperature():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 30)
    X = rng.normal(size=(90, 5)) * 0.3 + np.eye(3, 5)[codes]
    lone = np.append(codes, 3), np.concatenate([X, np.eye(5)[3:4]])
    for head in (PrototypeHead(), DiscriminantHead(), LogisticHead()):
        several = [
            fit_solver(head, rows, Targets(labels, n), imbalance=None, seed=0)[1].temperature
            for labels, rows, n in ((codes, X, 3), (*lone, 4))
        ]
        assert several[1] == pytest.approx(several[0], rel=0.35), head


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

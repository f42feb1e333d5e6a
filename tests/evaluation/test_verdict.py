from dataclasses import replace

import numpy as np
import pytest

from nlptl.base.errors import ConfigError, InputError
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.prior_gains import PriorGain
from nlptl.evaluation.verdict import HELPS, HURTS, NOT_COMPARED, UNCLEAR, Verdict

NAMES = ["joint", "polished", "alone"]
GAINS = {"joint": Interval(0.1, -0.1, 0.3), "polished": Interval(0.1, 0.05, 0.2)}
SCORES = np.array([[0.6, 0.6, 0.5]])


def test_of_equally_good_methods_the_first_is_kept_and_rounding_is_no_difference():
    assert Verdict.decide(NAMES, SCORES, GAINS).kept == "joint"
    nearly = GAINS | {"joint": Interval(0.1 - 1e-15, -0.1, 0.3)}
    assert Verdict.decide(NAMES, SCORES, nearly).kept == "joint"
    better = GAINS | {"polished": Interval(0.11, 0.05, 0.2)}
    assert Verdict.decide(NAMES, SCORES, better).kept == "polished"
    worse = {name: Interval(-0.1, -0.2, 0.1) for name in GAINS}
    assert Verdict.decide(NAMES, SCORES, worse).kept == "alone"


@pytest.mark.parametrize(
    ("interval", "best", "if_helps", "unless_hurts"),
    [
        (Interval(0.1, 0.05, 0.2), "new", "new", "new"),
        (Interval(0.1, -0.05, 0.2), "new", "old", "new"),
        (Interval(-0.1, -0.2, 0.05), "old", "old", "new"),
        (Interval(-0.1, -0.2, -0.05), "old", "old", "old"),
    ],
)
def test_rules_differ_where_the_interval_is_unclear(interval, best, if_helps, unless_hurts):
    for keep, kept in (("best", best), ("if_helps", if_helps), ("unless_hurts", unless_hurts)):
        verdict = Verdict.decide(["new", "old"], SCORES[:, :2], {"new": interval}, keep=keep)
        assert verdict.kept == kept and verdict.accepted == (kept == "new")


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'best'"):
        Verdict.decide(NAMES, SCORES, GAINS, keep="bets")


def test_without_a_comparison_the_method_is_kept_and_has_no_gain():
    verdict = Verdict.without_comparison("joint", metric="f1")
    assert (verdict.kept, verdict.outcome, verdict.figures) == ("joint", NOT_COMPARED, {})
    assert str(verdict) == "joint: not compared"
    with pytest.raises(InputError, match="'joint' was not compared"):
        verdict.gain  # noqa: B018
    assert Verdict.from_json(verdict.to_json()).to_json() == verdict.to_json()


def test_a_verdict_is_written_and_read_back():
    for prior in (None, PriorGain(0.2, 0.1)):
        verdict = Verdict.decide(NAMES, SCORES, GAINS, metric="f1", n_rows=9).with_prior(prior)
        again = Verdict.from_json(verdict.to_json())
        assert again.to_json() == verdict.to_json() and again.gains == verdict.gains
        assert again.outcome == UNCLEAR and again.n_rows == 9
    assert str(Verdict.decide(NAMES, SCORES, GAINS)).endswith("on held-out rows")


def test_the_leaderboard_has_the_best_first_and_only_what_was_measured():
    scores = np.array([[0.6, 0.7, 0.4], [0.6, 0.9, 0.6]])
    verdict = Verdict.decide(NAMES, scores, GAINS, metric="accuracy", n_rows=9)
    board = verdict.leaderboard()
    assert list(board["method"]) == ["polished", "joint", "alone"]
    assert board["accuracy"].tolist() == pytest.approx([0.8, 0.6, 0.5])
    assert board["spread"].tolist() == pytest.approx([0.1, 0.0, 0.1])
    assert board["outcome"].tolist() == [HELPS, UNCLEAR, "baseline"]
    assert board["low"].tolist()[:2] == [0.05, -0.1] and np.isnan(board["low"][2])
    assert "fit_seconds" not in board
    costs = {name: MethodCost(1.0 + i, 0.5) for i, name in enumerate(NAMES)}
    costed = replace(verdict, costs=costs)
    assert costed.leaderboard()["fit_seconds"].tolist() == [2.0, 1.0, 3.0]
    assert "mebibytes" not in costed.leaderboard()
    assert Verdict.from_json(costed.to_json()).costs == costs


def test_a_verdict_shows_itself_as_a_table_without_markup_from_names():
    names = ["<b>joint</b>", "alone"]
    verdict = Verdict.decide(names, SCORES[:, :2], {names[0]: GAINS["joint"]})
    html = verdict._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;joint" in html and "baseline" in html
    assert "joint" in Verdict.without_comparison("joint")._repr_html_()


def test_verdicts_of_earlier_releases_have_no_costs():
    described = Verdict.decide(NAMES, SCORES, GAINS).to_json()
    del described["costs"]
    assert Verdict.from_json(described).costs == {}


@pytest.mark.parametrize(
    "change",
    [
        {"kept": "other"},
        {"gains": {"other": {"value": 0, "low": 0, "high": 0}}},
        {"methods": []},
        {"scores": [[0.5]]},
        {"gains": {"joint": {"value": "x"}}},
        {"n_rows": None},
        {"costs": {"joint": {"fit_seconds": "x"}}},
    ],
)
def test_a_damaged_verdict_is_refused(change):
    described = Verdict.decide(NAMES, SCORES, GAINS).to_json()
    with pytest.raises((TypeError, ValueError, KeyError)):
        Verdict.from_json(described | change)
    with pytest.raises(TypeError, match="expected a verdict, got list"):
        Verdict.from_json([])


def test_outcomes():
    outcomes = {
        Verdict.decide(
            ["a", "b"], SCORES[:, :2], {"a": Interval(value, value - 1, value + 1)}
        ).outcome
        for value in (2.0, 0.5, -2.0)
    }
    assert outcomes == {HELPS, UNCLEAR, HURTS}


def test_two_splits_without_a_clear_difference_have_no_interval_in_the_text():
    two = np.repeat(SCORES, 2, axis=0)
    unclear = Verdict.decide(NAMES, two, GAINS)
    assert str(unclear) == (
        "joint against alone: no clear difference, 0.100 on 2 splits, too few for an interval"
    )
    clear = Verdict.decide(NAMES, two, GAINS | {"joint": Interval(0.1, 0.05, 0.2)})
    assert str(clear) == "joint against alone: helps, 0.100 [0.050, 0.200] on 2 splits"
    assert "[-0.100, 0.300] on 3 splits" in str(
        Verdict.decide(NAMES, np.repeat(SCORES, 3, axis=0), GAINS)
    )

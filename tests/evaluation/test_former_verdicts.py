import pytest

from nlptl.evaluation.former_verdicts import in_present_form
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.verdict import Verdict

SPLITS = {
    "name": "names",
    "against": "frozen",
    "says": "no clear difference",
    "gain": [-0.02, -0.1, 0.06],
    "scores": [[0.5, 0.6], [0.6, 0.54]],
    "experience": None,
}
TASK = {
    "task": "topic",
    "metric": "rmse",
    "rows": 30,
    "figures": {"joint": 2.0, "alone": 3.0},
    "gains": {"joint": {"value": 1.0, "low": 0.5, "high": 1.5}},
    "kept": "joint",
}
LANGUAGE = {
    "language": "de",
    "rows": 20,
    "joint": 0.5,
    "alone": 0.75,
    "gain": {"value": -0.25, "low": -0.5, "high": -0.1},
    "kept": "alone",
}


def test_a_verdict_on_splits_follows_from_the_gain_and_the_prior():
    verdict = Verdict.from_json(SPLITS)
    assert verdict.methods == ("names", "frozen") and verdict.kept == "frozen"
    assert verdict.gain == Interval(-0.02, -0.1, 0.06) and verdict.scores.shape == (2, 2)
    with_prior = Verdict.from_json(SPLITS | {"experience": [0.1, 0.02]})
    assert with_prior.kept == "names" and with_prior.prior.spread == 0.02


def test_a_comparison_of_a_task_becomes_a_verdict():
    verdict = Verdict.from_json(TASK)
    assert verdict.figures == {"joint": 2.0, "alone": 3.0} and verdict.n_rows == 30
    assert (verdict.kept, verdict.outcome, verdict.metric) == ("joint", "helps", "rmse")
    bare = Verdict.from_json(TASK | {"figures": {}, "gains": {}, "rows": 0})
    assert bare.outcome == "not compared" and bare.kept == "joint"


def test_a_comparison_of_a_language_becomes_a_verdict():
    verdict = Verdict.from_json(LANGUAGE)
    assert verdict.figures == {"joint": 0.5, "alone": 0.75} and verdict.kept == "alone"
    assert verdict.gains == {"joint": Interval(-0.25, -0.5, -0.1)} and verdict.outcome == "hurts"
    bare = Verdict.from_json(
        LANGUAGE | {"joint": None, "alone": None, "gain": None, "kept": "joint"}
    )
    assert bare.outcome == "not compared" and bare.figures == {}


def test_a_verdict_of_today_stays_as_it_is_and_a_damaged_one_is_refused():
    verdict = Verdict.from_json(TASK).to_json()
    assert in_present_form(verdict) == verdict
    for form, name in ((SPLITS, "gain"), (TASK, "figures"), (LANGUAGE, "kept")):
        with pytest.raises((TypeError, KeyError)):
            in_present_form({key: value for key, value in form.items() if key != name})

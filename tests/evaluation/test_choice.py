from dataclasses import replace

import numpy as np

from nlptl import Frozen
from nlptl.evaluation.choice import Choice, Trial
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.verdict import Verdict


def test_a_choice_comes_back_from_json_and_tells_its_trials():
    scores = np.array([[0.7, 0.6], [0.8, 0.7]])
    verdict = Verdict.decide(
        ["contrastive", "frozen"], scores, {"contrastive": Interval(0.1, 0.05, 0.15)}
    )
    trials = [Trial("contrastive", verdict, True, 2.0), Trial("full", None, False, 0.0, "no time")]
    choice = Choice(Frozen(), "contrastive", trials)
    again = Choice.from_json(choice.to_json(), choice.transfer)
    assert again.to_json() == choice.to_json()
    assert again.verdicts == {"contrastive": "helps", "full": "not tried"}
    assert str(again).splitlines()[-1] == "chosen: contrastive"


def compared(against, seconds):
    costs = {against: MethodCost(1.5, 0.5)}
    scores, gains = np.array([[0.7, 0.6]] * 2), {"meaning": Interval(0.1, 0.05, 0.15)}
    verdict = replace(Verdict.decide(["meaning", against], scores, gains), costs=costs)
    return Trial("meaning", verdict, True, seconds)


def test_seconds_of_a_trial_are_without_those_of_the_frozen_encoder():
    choice = Choice(Frozen())
    assert choice.seconds_of(compared("frozen", 10.0)) == (6.0, 4.0)
    assert choice.seconds_of(compared("frozen", 3.0)) == (0.0, 3.0)
    assert choice.seconds_of(compared("edits", 10.0)) == (10.0, 0.0)
    assert choice.seconds_of(Trial("full", None, False, 1.0)) == (1.0, 0.0)


def test_budget_and_note_come_back_and_a_choice_without_them_is_read():
    choice = Choice(Frozen(), budget_seconds=40.0, seconds=16.04, note="Codes.")
    assert str(choice) == "note: Codes.\ntime: 16.0 of 40 seconds used\nchosen: frozen"
    described = choice.to_json()
    assert Choice.from_json(described, Frozen()).to_json() == described
    earlier = {"name": "frozen", "trials": []}
    assert str(Choice.from_json(earlier, Frozen())) == "chosen: frozen"

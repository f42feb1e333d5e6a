import numpy as np

from nlptl import Frozen
from nlptl.evaluation.choice import Choice, Trial
from nlptl.evaluation.intervals import Interval
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

import numpy as np
import pytest

from nlptl.base.renamed import RenamedAttribute
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.verdict import Verdict


class Box:
    size = 3
    width = RenamedAttribute("size")


def test_an_old_name_reads_the_new_one_and_warns():
    with pytest.warns(DeprecationWarning, match=r"Box\.width is called size now"):
        assert Box().width == 3


def test_old_names_of_a_verdict_still_work():
    verdict = Verdict.decide(["a", "b"], np.zeros((2, 2)), {"a": Interval(0.1, 0.05, 0.2)})
    with pytest.warns(DeprecationWarning, match="is called (outcome|accepted) now"):
        assert (verdict.says, verdict.opens) == (verdict.outcome, verdict.accepted)

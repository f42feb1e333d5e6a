import importlib
import sys

import pytest

from nlptl import judge


def test_the_old_place_still_works_and_names_the_new_one():
    sys.modules.pop("nlptl.evaluation.gate", None)
    with pytest.warns(DeprecationWarning, match="from nlptl import judge"):
        gate = importlib.import_module("nlptl.evaluation.gate")
    assert gate.judge is judge

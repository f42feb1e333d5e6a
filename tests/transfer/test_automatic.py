import pytest

from nlptl import Auto, LabelMeaning
from nlptl.base.errors import ConfigError


def test_names_are_read_as_those_of_label_meaning():
    assert Auto(names={"a": "parcel"}).names == LabelMeaning({"a": "parcel"}).names


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_budget_below_any_time_is_refused(seconds):
    with pytest.raises(ConfigError, match=f"above 0, got {seconds}"):
        Auto(budget_seconds=seconds)

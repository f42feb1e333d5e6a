import json

import pytest

from nlptl.training.domain_shift import DomainShift, a_distance


def test_the_distance_is_two_at_most_and_never_negative():
    assert [a_distance(accuracy) for accuracy in (0.5, 0.75, 1.0, 0.3)] == [0.0, 1.0, 2.0, 0.0]
    assert a_distance(None) is None
    shift = DomainShift(0.9, 0.6)
    assert shift.a_distance_before == pytest.approx(1.6)
    assert shift.a_distance_after == pytest.approx(0.4)
    assert DomainShift().a_distance_after is None


def test_a_record_comes_back_from_json():
    shift = DomainShift(0.9, None, (), (0.25, 0.75), (0.5, 0.5), None, 0.3, "a warning")
    described = json.loads(json.dumps(shift.to_json()))
    assert DomainShift.from_json(described) == shift


@pytest.mark.parametrize(
    "described", [{"entropy_after": "high"}, {"class_shares_after": 1.0}, {"distance": 1.0}, []]
)
def test_other_figures_are_refused(described):
    with pytest.raises(TypeError):
        DomainShift.from_json(described)

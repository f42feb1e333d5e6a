import pytest

from nlptl.base.lazy import lazy_names


def test_a_known_name_is_fetched_from_its_home():
    assert lazy_names("here", {"loads": "json"}, "loads")("[1]") == [1]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'here' has no attribute 'x'"):
        lazy_names("here", {}, "x")

import pytest

from nlptl import SourceRows
from nlptl.base.errors import ConfigError


def test_a_row_of_elsewhere_counts_something():
    assert SourceRows(0.5).weight == 0.5
    for weight in (0, -1.0):
        with pytest.raises(ConfigError, match="weight"):
            SourceRows(weight)

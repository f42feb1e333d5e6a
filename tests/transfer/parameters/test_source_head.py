import pytest

from nlptl import SourceHead
from nlptl.base.errors import ConfigError


@pytest.mark.parametrize("C", [0, -1.0, "auto"])
def test_bad_strengths_are_refused(C):
    with pytest.raises(ConfigError, match=f"C must be above 0, or 'cv', got {C!r}"):
        SourceHead(C)

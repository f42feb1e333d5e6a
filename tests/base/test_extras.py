import sys

import pytest

from nlptl.base.errors import MissingExtraError
from nlptl.base.extras import require


def test_a_package_that_is_there_is_given():
    assert require("json", extra="demo").loads("1") == 1


def test_a_missing_package_says_how_to_get_it():
    with pytest.raises(MissingExtraError, match=r"pip install 'nlptl\[demo\]'"):
        require("no_such_package_at_all", extra="demo")


def test_a_broken_package_raises_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import not_there_either")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_either") as raised:
        require("broken_package", extra="demo")
    assert not isinstance(raised.value, MissingExtraError)
    assert "broken_package" not in sys.modules

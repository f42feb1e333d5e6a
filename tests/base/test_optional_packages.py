import pytest

from nlptl.base.errors import ConfigError
from nlptl.base.optional_packages import require


def test_a_package_that_is_missing_names_the_extra_that_brings_it(tmp_path, monkeypatch):
    assert require("json", extra="plots").loads("[1]") == [1]
    with pytest.raises(ConfigError, match=r"needs nowhere_,.*pip install 'nlptl\[plots\]'"):
        require("nowhere_.part", extra="plots")
    (tmp_path / "half_there.py").write_text("import nowhere_")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_"):  # it is there, and broken
        require("half_there", extra="plots")

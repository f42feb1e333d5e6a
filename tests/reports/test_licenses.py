import pytest

from nlptl.base.errors import ConfigError
from nlptl.reports.licenses import inherited


@pytest.mark.parametrize(
    ("chosen", "base", "found"),
    [
        (None, None, None),
        ("mit", None, "mit"),
        (None, "mit", "mit"),
        ("cc-by-nc-4.0", "apache-2.0", "cc-by-nc-4.0"),
        ("gpl-3.0", "Apache-2.0", "gpl-3.0"),
        (None, "cc-by-nc-4.0", "cc-by-nc-4.0"),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("llama3", "llama3", "llama3"),
    ],
)
def test_a_license_is_chosen_or_inherited(chosen, base, found):
    assert inherited(chosen, base) == found


@pytest.mark.parametrize(
    "base", ["cc", "cc-by-nc-4.0", "cc-by-sa-4.0", "gpl-3.0", "llama3", "other"]
)
def test_what_binds_is_not_given_away_under_another_one(base):
    with pytest.raises(ConfigError, match=f"'mit'.*{base}.*base_license"):
        inherited("mit", base)


@pytest.mark.parametrize("chosen", [None, "cc-by-nd-4.0"])
def test_what_must_not_be_changed_is_not_published(chosen):
    with pytest.raises(ConfigError, match="does not allow publishing changed versions"):
        inherited(chosen, "cc-by-nd-4.0")

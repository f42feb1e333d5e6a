import pwd
from pathlib import Path

import pytest

from nlptl.base.errors import StorageError
from nlptl.storage.places import cache_root, fixed_path


def test_the_variable_decides(monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", "~/somewhere")
    assert cache_root() == Path("~/somewhere").expanduser()


def test_without_it_the_cache_folder_of_the_user_is_taken(monkeypatch):
    monkeypatch.delenv("NLPTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_root() == Path("/x/nlptl")


def test_a_relative_path_that_exists_becomes_absolute_and_keeps_its_type(monkeypatch, tmp_path):
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert fixed_path("encoder") == str(tmp_path / "encoder")
    assert fixed_path(Path("encoder")) == tmp_path / "encoder"
    for other in ("a/hub-name", None, "", 3, ("encoder",)):
        assert fixed_path(other) == other


def test_without_a_home_folder_there_is_no_folder_for_caches(monkeypatch):
    for name in ("NLPTL_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(StorageError, match="no folder for caches.*set NLPTL_CACHE to a folder"):
        cache_root()
    monkeypatch.setenv("NLPTL_CACHE", "/caches/c")
    assert cache_root() == Path("/caches/c")

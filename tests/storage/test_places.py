from pathlib import Path

from nlptl.storage.places import cache_root


def test_the_variable_decides(monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", "~/somewhere")
    assert cache_root() == Path("~/somewhere").expanduser()


def test_without_it_the_cache_folder_of_the_user_is_taken(monkeypatch):
    monkeypatch.delenv("NLPTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_root() == Path("/x/nlptl")

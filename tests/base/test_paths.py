import os
import pwd
from pathlib import Path

import pytest

from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path


def test_the_home_folder_is_put_in_where_a_path_asks_for_it(monkeypatch):
    monkeypatch.setenv("HOME", "/users/somebody")
    assert user_path("~/models/one") == Path("/users/somebody/models/one")
    assert user_path(Path("~/x")) == Path("/users/somebody/x")
    assert user_path("~") == Path("/users/somebody")
    assert user_path("./~/x") == Path("~/x")
    assert user_path("plain/x~") == Path("plain/x~")


def test_a_name_with_a_tilde_that_is_no_user_stays_as_it_is():
    assert user_path("~notes of nobody.csv") == Path("~notes of nobody.csv")


def test_without_a_home_folder_a_path_in_it_is_refused(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(StorageError, match="'~/x' lies in the home folder, and .* Set HOME"):
        user_path("~/x")
    assert user_path(os.curdir) == Path()

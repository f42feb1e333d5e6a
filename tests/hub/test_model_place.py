from pathlib import Path

import pytest

from nlptl.base.errors import HubError
from nlptl.hub.model_place import place_of


def test_a_folder_is_its_own_place_and_a_path_is_never_a_name(tmp_path):
    (tmp_path / "model").mkdir()
    assert place_of(tmp_path / "model") == tmp_path / "model"
    assert (
        place_of(Path("user/name")) == Path("user/name").absolute()
        or not place_of(Path("user/name")).is_dir()
    )


def test_what_is_neither_a_folder_nor_on_the_hub_is_told(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="no folder 'user/none-of-that-name'"):
        place_of("user/none-of-that-name")

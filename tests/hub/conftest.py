import importlib.util
import sys
from pathlib import Path

import pytest

PLACE = Path(__file__).with_name("loophub.py")


def _loophub():
    """Read the server beside this file, which is in no package."""
    if "loophub" not in sys.modules:
        spec = importlib.util.spec_from_file_location("loophub", PLACE)
        module = importlib.util.module_from_spec(spec)
        sys.modules["loophub"] = module
        spec.loader.exec_module(module)
    return sys.modules["loophub"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on this machine, which the client takes for the real one."""
    from huggingface_hub import constants

    loophub = _loophub()
    with loophub.running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_ENABLE_HF_TRANSFER", False, raising=False)
        monkeypatch.setenv("HF_TOKEN", loophub.TOKEN)
        yield server

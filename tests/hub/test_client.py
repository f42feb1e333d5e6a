import pytest

from nlptl.base.errors import ConfigError, HubError
from nlptl.hub.client import check_name, client, explained, is_safe, license_of


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("encoder/model.safetensors", True),
        ("tokenizer.json", True),
        ("README.md", True),
        ("model.onnx", True),
        ("model.onnx_data", False),
        ("pytorch_model.bin", False),
        ("hook.py", False),
        ("spiece.model", False),
        ("head.joblib", False),
        ("noend", False),
    ],
)
def test_only_what_nothing_runs_from_is_safe(path, safe):
    assert is_safe(path) == safe


def test_a_name_has_two_parts():
    assert check_name("user/my_model.v1") == "user/my_model.v1"
    with pytest.raises(ConfigError, match="'user/name'"):
        check_name("model")


def test_the_client_says_who_it_is():
    assert client().library_name == "nlptl"


def test_other_problems_take_one_line():
    with pytest.raises(HubError, match="Fetching 'u/m' failed: no space left$"):
        with explained("u/m", "Fetching"):
            raise OSError("no space left\nand more")


def test_what_the_hub_asks_for_is_said():
    from huggingface_hub.errors import GatedRepoError, LocalTokenNotFoundError

    try:
        import httpx2 as httpx
    except ModuleNotFoundError:  # huggingface_hub before version 2
        import httpx
    answer = httpx.Response(403, request=httpx.Request("GET", "https://hub"))
    with pytest.raises(HubError, match="access on request"):
        with explained("u/m", "Fetching"):
            raise GatedRepoError("gated", response=answer)
    with pytest.raises(HubError, match="needs a token"):
        with explained("u/m", "Publishing"):
            raise LocalTokenNotFoundError("none")


def test_the_hub_is_asked_for_a_license(hub):
    for name, head in (("a", b"---\nlicense: cc-by-nc-4.0\n---\n"), ("b", b"no head"), ("c", b"")):
        hub.repos[f"org/{name}"] = {"private": False, "commits": {}, "branches": {}}
        hub.commit(f"org/{name}", {"README.md": head} if head else {})
    assert license_of("org/a") == "cc-by-nc-4.0"
    assert license_of("org/b") is license_of("org/c") is license_of("org/none") is None
    hub.fail("GET", "/api/models/org/a", 500, times=9)
    assert license_of("org/a") is None

import hashlib
import json

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import ConfigError, HubError, IntegrityError
from nlptl.hub.fetching import fetch_folder
from nlptl.hub.publishing import publish_folder

REPO = "user/requests"
ASKED = ["good", "very broken"]


@pytest.fixture(scope="module")
def model():
    return TextClassifier(TfidfEncoder()).fit(["good", "great", "bad", "broken"], [1, 1, 0, 0])


@pytest.fixture
def published(hub, model, tmp_path):
    return publish_folder(model.save(tmp_path / "model"), REPO)


def test_what_was_published_comes_back_equal(hub, published, model):
    again = TextClassifier.load(fetch_folder(REPO))
    assert again.predict_proba(ASKED).tolist() == model.predict_proba(ASKED).tolist()
    assert hub.count("GET", "/cdn/") == 2
    assert not any(token for _, path, token in hub.log if path.startswith("/cdn/"))


def test_a_revision_is_a_commit_a_branch_or_missing(hub, published, model):
    hub.commit(REPO, {"README.md": b"empty"})
    with pytest.raises(HubError, match="no manifest"):
        fetch_folder(REPO)
    assert TextClassifier.load(fetch_folder(REPO, revision=published.commit)).classes_.size == 2
    with pytest.raises(HubError, match="no such revision"):
        fetch_folder(REPO, revision="nowhere")


def test_nothing_that_could_run_is_fetched(hub, published):
    files = hub.files(REPO) | {"hook.py": b"import os", "weights.pkl": b"x", "w.bin": b"x"}
    hub.commit(REPO, files)
    folder = fetch_folder(REPO)
    assert not any((folder / name).exists() for name in ("hook.py", "weights.pkl", "w.bin"))
    assert not any(hub.count(how, r"hook\.py|\.pkl|\.bin") for how in ("GET", "HEAD"))


@pytest.mark.parametrize("name", ["head.safetensors", "model.json"])
def test_a_changed_byte_is_found_and_its_file_named(hub, published, name):
    large = hashlib.sha256(hub.files(REPO)[name]).hexdigest()
    hub.fail("GET", f"/cdn/{large}|/{name}", "flip")
    with pytest.raises(IntegrityError, match=name.replace(".", r"\.")):
        fetch_folder(REPO)
    assert TextClassifier.load(fetch_folder(REPO)).classes_.size == 2, "damage does not stay"


@pytest.mark.parametrize("name", ["../../../victim.txt", "{victim}", "..\\victim.txt"])
def test_nothing_outside_of_the_cache_is_touched(hub, published, tmp_path, name):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    record = json.loads(hub.files(REPO)["manifest.json"])
    record["files"][name.format(victim=victim)] = {"sha256": "0" * 64}
    hub.commit(REPO, hub.files(REPO) | {"manifest.json": json.dumps(record).encode()})
    with pytest.raises(IntegrityError, match="outside"):
        fetch_folder(REPO)
    assert victim.read_text() == "mine"


def test_what_others_put_beside_a_model_is_left_alone(hub, published):
    hub.commit(REPO, hub.files(REPO) | {"LICENSE.txt": b"MIT", "extra.json": b"{}"})
    folder = fetch_folder(REPO)
    assert TextClassifier.load(folder).classes_.size == 2
    assert not (folder / "LICENSE.txt").exists()


def test_a_model_with_a_file_that_could_run_is_refused(hub, published):
    record = json.loads(hub.files(REPO)["manifest.json"])
    record["files"]["weights.pkl"] = {"sha256": "0" * 64}
    hub.commit(REPO, hub.files(REPO) | {"manifest.json": json.dumps(record).encode()})
    with pytest.raises(IntegrityError, match=r"weights\.pkl"):
        fetch_folder(REPO)


def test_a_download_that_was_cut_off_goes_on(hub, published):
    hub.fail("GET", "/cdn/", "cut")
    assert TextClassifier.load(fetch_folder(REPO)).classes_.size == 2


def test_what_is_in_the_cache_is_there_without_the_hub(hub, published):
    with pytest.raises(HubError, match="not in the cache"):
        fetch_folder(REPO, offline=True)
    fetch_folder(REPO)
    hub.log.clear()
    assert (fetch_folder(REPO, offline=True) / "model.json").is_file() and not hub.log
    hub.fail("GET", ".*", 503, times=99)
    hub.fail("HEAD", ".*", 503, times=99)
    assert (fetch_folder(REPO) / "model.json").is_file()


def test_a_private_one_needs_a_token_that_opens_it(hub, model, tmp_path, monkeypatch):
    publish_folder(model.save(tmp_path / "model"), REPO, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(HubError, match="private") as problem:
        fetch_folder(REPO)
    assert "hf_other" not in str(problem.value)
    monkeypatch.setenv("HF_TOKEN", "hf_loop")
    assert fetch_folder(REPO).is_dir()


def test_what_is_not_there_is_said(hub):
    with pytest.raises(HubError, match="no such repository"):
        fetch_folder("user/nothing")
    with pytest.raises(ConfigError, match="user/name"):
        fetch_folder("nothing")

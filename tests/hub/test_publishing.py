import json
import logging
import shutil
import warnings

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import ConfigError, HubError, IntegrityError, StorageError
from nlptl.hub.publishing import listed, publish_folder

REPO = "user/requests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clf = TextClassifier(TfidfEncoder()).fit(["good", "great", "bad", "broken"], [1, 1, 0, 0])
    return clf.save(tmp_path_factory.mktemp("saved") / "model")


def test_a_rehearsal_lists_everything_and_talks_to_nobody(hub, folder):
    found = publish_folder(folder, REPO, dry_run=True)
    assert not hub.log and found.commit is None and not found.changed
    names = {one.path for one in found.files}
    assert {"manifest.json", "model.json", "head.safetensors"} <= names
    assert found.size == sum((folder / name).stat().st_size for name in names)


def test_everything_is_in_one_commit(hub, folder):
    found = publish_folder(folder, REPO)
    assert hub.count("POST", "/commit/") == 1
    files = hub.files(REPO)
    assert {one.path for one in found.files} | {".gitattributes"} == set(files)
    assert all(files[one.path] == (folder / one.path).read_bytes() for one in found.files)
    assert found.changed and found.commit == hub.repos[REPO]["branches"]["main"]
    assert found.url.startswith(hub.url)


def test_the_same_again_makes_no_commit(hub, folder):
    first = publish_folder(folder, REPO)
    again = publish_folder(folder, REPO)
    assert not again.changed and again.commit == first.commit
    assert hub.count("POST", "/commit/") == 1


def test_what_is_gone_is_deleted_in_the_same_commit(hub, folder):
    publish_folder(folder, REPO)
    record = json.loads(hub.files(REPO)["manifest.json"])
    record["files"]["old.safetensors"] = {"sha256": "0" * 64}
    earlier = {"manifest.json": json.dumps(record).encode(), "old.safetensors": b"older"}
    others = {"LICENSE": b"mine", "images/logo.png": b"png", "notes.json": b"{}"}
    hub.commit(REPO, hub.files(REPO) | earlier | others)
    publish_folder(folder, REPO)
    left = set(hub.files(REPO))
    assert "old.safetensors" not in left and {".gitattributes", *others} <= left
    assert hub.count("POST", "/commit/") == 2


def test_files_of_others_stay(hub, folder):
    hub.repos[REPO] = {"private": False, "commits": {}, "branches": {}}
    hub.commit(REPO, {"model.onnx": b"x", "manifest.json": b"[1]"})
    publish_folder(folder, REPO)
    assert {"model.onnx", "model.json"} <= set(hub.files(REPO))


def test_what_is_public_does_not_become_private_unseen(hub, folder):
    publish_folder(folder, REPO)
    with pytest.raises(ConfigError, match="public"):
        publish_folder(folder, REPO, private=True)


def test_no_connection_is_one_sentence(hub, folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="Publishing 'user/requests' failed"):
        publish_folder(folder, REPO)


def test_a_new_repository_may_be_private_and_a_branch_is_made(hub, folder):
    publish_folder(folder, REPO, private=True, revision="next")
    assert hub.repos[REPO]["private"]
    assert set(hub.files(REPO)) == {".gitattributes"}
    assert "model.json" in hub.files(REPO, "next")


def test_an_upload_that_was_cut_off_goes_on(hub, folder):
    hub.fail("POST", "/commit/", 500)
    with pytest.raises(HubError, match="500"):
        publish_folder(folder, REPO)
    assert set(hub.files(REPO)) == {".gitattributes"}
    sent = hub.count("PUT", "/lfs/")
    publish_folder(folder, REPO)
    assert sent and hub.count("PUT", "/lfs/") == sent, "what was there was not sent again"
    assert "model.json" in hub.files(REPO)


def test_nothing_is_published_over_the_work_of_another(hub, folder, monkeypatch):
    publish_folder(folder, REPO)
    from nlptl.hub import publishing

    own = publishing._operations

    def meanwhile(*given):
        hub.commit(REPO, {"theirs.json": b"{}"})
        return own(*given)

    monkeypatch.setattr(publishing, "_operations", meanwhile)
    (folder / "README.md").write_text("new")
    try:
        with pytest.raises(HubError, match="meanwhile"):
            publish_folder(folder, REPO)
    finally:
        (folder / "README.md").unlink()
    assert set(hub.files(REPO)) == {"theirs.json"}


@pytest.mark.parametrize(
    ("pattern", "status", "message"),
    [
        ("/commit/", 401, "hf auth login"),
        ("/commit/", 403, "may not"),
        ("/commit/", 409, "again"),
        ("/repos/create", 401, "hf auth login"),
    ],
)
def test_what_the_hub_refuses_is_said(hub, folder, pattern, status, message, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    hub.fail("POST", pattern, status, times=20)
    with pytest.raises(HubError, match=message) as problem:
        publish_folder(folder, REPO)
    said = str(problem.value) + caplog.text + "".join(capfd.readouterr())
    assert REPO in str(problem.value) and "hf_loop" not in said


def test_without_a_token_it_says_how_to_log_in(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    with pytest.raises(HubError, match="hf auth login"):
        publish_folder(folder, REPO)


@pytest.mark.parametrize(
    "name", ["name", "a/b/c", "user/na me", "user/", "../x", "user/a--b", "u/m.", "u/m.git", "ü/m"]
)
def test_what_is_no_repository_is_refused(folder, name):
    with pytest.raises(ConfigError, match="user/name"):
        publish_folder(folder, name, dry_run=True)


def test_only_models_are_published_and_nothing_that_runs(folder, tmp_path):
    with pytest.raises(StorageError, match="no manifest"):
        publish_folder(tmp_path, REPO, dry_run=True)
    (tmp_path / "manifest.json").write_text((folder / "manifest.json").read_text())
    record = json.loads((tmp_path / "manifest.json").read_text())
    record["files"]["weights.pkl"] = {"sha256": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"weights\.pkl"):
        listed(tmp_path)


@pytest.fixture
def copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def test_only_files_of_the_model_and_its_card_are_published(copied):
    for name in ("README.md", "notes.md", "own.png", ".gitattributes"):
        (copied / name).write_text("mine")
    with pytest.warns(
        UserWarning, match="3 files that are not part of the model.*'.gitattributes'"
    ):
        names = {one.path for one in listed(copied)}
    assert names == {one.path for one in listed_quietly(copied)} and "README.md" in names
    assert not {"notes.md", "own.png", ".gitattributes"} & names


def listed_quietly(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return listed(folder)


@pytest.mark.parametrize("name", [".token.json", "more.txt", "encoder/more.safetensors"])
def test_what_a_reader_could_pick_up_is_not_published_unlisted(copied, name):
    (copied / name).write_text("secret")
    with pytest.raises(IntegrityError, match="is not part of the model"):
        listed(copied)


def test_neither_a_link_nor_a_changed_file_is_published(copied, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (copied / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError, match="README.md.*is a link"):
        listed(copied)
    (copied / "README.md").unlink()
    (copied / "model.json").write_text("{}")
    with pytest.raises(IntegrityError, match="'model.json'.*changed or damaged"):
        listed(copied)

import json
import os
import shutil
from contextlib import suppress

import pytest

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.manifest import MANIFEST, SCHEMA, read_manifest, verify_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "a").write_bytes(b"0123456789")
    (tmp_path / "b").write_bytes(b"xyz")
    write_manifest(tmp_path, kind="model", version="9.9")
    return tmp_path


def change(folder, **values):
    record = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**record, **values}))


def test_a_whole_folder_verifies_and_names_its_files(folder):
    assert set(verify_manifest(folder, kind="model")["files"]) == {"part/a", "b"}


def test_every_single_flipped_bit_is_found(folder):
    whole = (folder / "part" / "a").read_bytes()
    for place in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (folder / "part" / "a").write_bytes(flipped)
        with pytest.raises(IntegrityError, match="'part/a'.*changed or damaged"):
            verify_manifest(folder, kind="model")


def test_a_missing_file_is_named(folder):
    (folder / "b").unlink()
    with pytest.raises(IntegrityError, match="File 'b'.*is missing"):
        verify_manifest(folder, kind="model")


def test_a_file_that_is_not_listed_does_not_matter(folder):
    (folder / "evil.pkl").write_bytes(b"")
    verify_manifest(folder, kind="model")


def test_a_newer_format_says_what_to_install(folder):
    change(folder, schema=SCHEMA + 1)
    with pytest.raises(StorageError, match=r"written by nlptl 9\.9.*pip install -U nlptl"):
        verify_manifest(folder, kind="model")


def test_another_kind_of_folder_is_refused(folder):
    with pytest.raises(StorageError, match="holds a model, not a task"):
        verify_manifest(folder, kind="task")


def test_a_manifest_that_points_outside_is_refused(folder):
    change(folder, files={"../secret": {"sha256": "0" * 64}})
    with pytest.raises(IntegrityError, match="outside"):
        verify_manifest(folder, kind="model")


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "x", "files": {}}', "{"])
def test_a_damaged_manifest_is_named(folder, content):
    (folder / MANIFEST).write_text(content)
    with pytest.raises(IntegrityError, match=r"manifest\.json' is damaged"):
        read_manifest(folder)


def test_a_folder_that_is_no_model_says_so(tmp_path):
    with pytest.raises(StorageError, match="There is no folder"):
        read_manifest(tmp_path / "nothing")
    with pytest.raises(StorageError, match=r"has no manifest\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["encoder/tokenizer.json", "evil.py", "part/c.safetensors"])
def test_a_file_that_some_reader_may_pick_up_is_refused(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(IntegrityError, match="is not part of the model"):
        verify_manifest(folder, kind="model")


def test_a_readme_beside_the_model_is_no_harm(folder):
    (folder / "README.md").write_text("mine")
    verify_manifest(folder, kind="model")


def test_no_bit_flipped_in_the_manifest_itself_is_a_traceback(folder):
    content = (folder / "manifest.json").read_bytes()
    for place in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        (folder / "manifest.json").write_bytes(flipped)
        with suppress(StorageError):
            verify_manifest(folder, kind="model")


@pytest.mark.parametrize(
    "name",
    [
        "../other",
        "part/../../other",
        "/etc/passwd",
        "..\\other",
        "C:/other",
        "~/other",
        "a\0b",
        "./b",
        "part//a",
        "",
        "\ud800",
        "a" * 300,
        "/".join(["a" * 200] * 30),
    ],
)
def test_a_name_that_cannot_be_one_of_the_folder_is_refused(folder, name):
    change(folder, files={name: {"sha256": "0" * 64}})
    with pytest.raises(IntegrityError, match="outside"):
        verify_manifest(folder, kind="model")


def test_two_names_that_are_one_on_other_systems_are_refused(folder):
    entries = {name: {"sha256": "0" * 64} for name in ("b", "B")}
    change(folder, files=entries)
    with pytest.raises(IntegrityError, match="'B' twice"):
        read_manifest(folder)


@pytest.mark.parametrize("entry", ["0" * 64, None, [], {}, {"sha256": 1}, {"sha256": "x" * 64}])
def test_an_entry_without_a_hash_is_refused(folder, entry):
    change(folder, files={"b": entry})
    with pytest.raises(IntegrityError, match=r"manifest\.json' is damaged"):
        read_manifest(folder)


def test_a_million_names_are_refused_before_they_are_looked_at(folder):
    change(folder, files={str(place): {"sha256": "0" * 64} for place in range(1_000_000)})
    with pytest.raises(IntegrityError, match=r"manifest\.json' is damaged.*more than"):
        read_manifest(folder)


@pytest.mark.parametrize("target", ["part", ".", "b", "nowhere", "more", "/etc"])
def test_a_link_is_refused_wherever_it_leads(folder, target):
    (folder / "more").symlink_to(target)
    with pytest.raises(IntegrityError, match="'more'.*is a link"):
        verify_manifest(folder, kind="model")


def test_a_link_in_place_of_a_listed_file_is_refused_even_to_the_same_bytes(
    folder, tmp_path_factory
):
    other = tmp_path_factory.mktemp("other") / "b"
    (folder / "b").rename(other)
    (folder / "b").symlink_to(other)
    with pytest.raises(IntegrityError, match="'b'.*is a link"):
        verify_manifest(folder, kind="model")


def test_files_that_the_cache_of_the_hub_links_to_are_read(folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    snapshot = cache / "snapshots" / "abc"
    shutil.copytree(folder, snapshot)
    (cache / "blobs").mkdir()
    for name in ("part/a", "b", MANIFEST):
        blob = cache / "blobs" / name.replace("/", "-")
        (snapshot / name).rename(blob)
        (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))
    verify_manifest(snapshot, kind="model")
    verify_manifest(cache / "snapshots" / ".." / "snapshots" / "abc", kind="model")
    (snapshot / "more").symlink_to(cache / "snapshots")
    with pytest.raises(IntegrityError, match="'more'.*is a link"):
        verify_manifest(snapshot, kind="model")


def test_a_folder_that_is_linked_to_as_a_whole_is_read(folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("other") / "latest"
    link.symlink_to(folder)
    verify_manifest(link, kind="model")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("name", ["more", "b", "part/a"])
def test_a_pipe_in_the_folder_is_refused_and_never_waited_for(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(IntegrityError, match=f"'{name}'.*is neither a file nor a folder"):
        verify_manifest(folder, kind="model")


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / "b").unlink()
    (folder / "b").mkdir()
    with pytest.raises(IntegrityError, match="'b'.*is missing"):
        verify_manifest(folder, kind="model")


@pytest.mark.parametrize("name", [".token.json", "part/more.JSON", "chat_template.jinja"])
def test_hidden_files_and_other_spellings_of_a_kind_are_refused_too(folder, name):
    (folder / name).write_text("{}")
    with pytest.raises(IntegrityError, match="is not part of the model"):
        verify_manifest(folder, kind="model")

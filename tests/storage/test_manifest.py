import json
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

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nlptl.base.errors import InputError, StorageError
from nlptl.storage import atomic
from nlptl.storage.atomic import new_folder, write_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "a" / "model") as draft:
        (draft / "x").write_text("1")
        assert not (tmp_path / "a" / "model").exists()
    assert names(tmp_path / "a") == ["model"]
    assert (tmp_path / "a" / "model" / "x").read_text() == "1"


def test_a_failure_leaves_the_older_folder_and_nothing_else(tmp_path):
    with new_folder(tmp_path / "m") as draft:
        (draft / "x").write_text("old")
    with pytest.raises(InputError), new_folder(tmp_path / "m") as draft:
        (draft / "x").write_text("new")
        raise InputError("no")
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m" / "x").read_text() == "old"


def test_an_older_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("old", "new"):
        with new_folder(tmp_path / "m") as draft:
            (draft / name).write_text(name)
    assert names(tmp_path) == ["m"]
    assert names(tmp_path / "m") == ["new"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_flush", full)
    with pytest.raises(StorageError, match="Cannot write .*No space left"):
        with new_folder(tmp_path / "m") as draft:
            (draft / "x").write_text("1")
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/model"), new_folder(tmp_path / "file" / "model"):
        pass


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_file(tmp_path / "f", b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_file(tmp_path / "f", b"new")
    assert names(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_killed_writer_leaves_the_older_folder_whole(tmp_path):
    with new_folder(tmp_path / "m") as draft:
        (draft / "x").write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nlptl.storage.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'x').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "m" / "x").read_text() == "old"
    assert [n for n in names(tmp_path) if not n.startswith(".")] == ["m"]
    assert isinstance(tmp_path, Path)

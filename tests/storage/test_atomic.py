import errno
import os
import subprocess
import sys

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


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_all_files_follow_the_umask_whichever_library_writes_them(tmp_path, umask):
    code = (
        "import os, sys; from pathlib import Path; import numpy as np\n"
        "from safetensors.numpy import save_file\n"
        "from nlptl.storage.atomic import new_folder, write_file\n"
        "from nlptl.storage.row_cache import RowStore\n"
        "from nlptl.storage.tensors import save_arrays\n"
        "os.umask(int(sys.argv[2])); place = Path(sys.argv[1]); a = np.zeros((1, 2), np.uint64)\n"
        "with new_folder(place / 'm') as draft:\n"
        "    (draft / 'text').write_text('1'); (draft / 'inner').mkdir()\n"
        "    save_file({'a': a}, draft / 'inner' / 'foreign')\n"
        "    save_arrays(draft / 'own', {'a': a})\n"
        "write_file(place / 'file', b'1')\n"
        "RowStore(place, 's', limit_bytes=10**6).add(a, a)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(umask)], check=True)
    paths = [path for path in tmp_path.rglob("*") if path.name != ".lock"]
    assert len(paths) == 8
    for path in paths:
        wanted = (0o777 if path.is_dir() else 0o666) & ~umask
        assert oct(path.stat().st_mode & 0o777) == oct(wanted), path


def test_no_room_is_one_error_that_names_the_folder_and_the_size(tmp_path, in_small_files):
    code = (
        "import numpy as np; from safetensors.numpy import save_file\n"
        "from nlptl.storage.atomic import new_folder, write_file\n"
        "from nlptl.storage.tensors import save_arrays\n"
        "from nlptl.base.errors import StorageError\n"
        "place = Path(sys.argv[1])\n"
        "def own(path): save_arrays(path, {'a': np.zeros(600_000)})\n"
        "def foreign(path): save_file({'a': np.zeros(600_000)}, path)\n"
        "def text(path): path.write_text('x' * 4_800_000)\n"
        "with new_folder(place / 'm') as draft: (draft / 'x').write_text('old')\n"
        "limit(4_000)\n"
        "for write in (own, foreign, text):\n"
        "    try:\n"
        "        with new_folder(place / 'm') as draft:\n"
        "            (draft / 'first').write_bytes(b'1' * 3_000); write(draft / 'big')\n"
        "    except StorageError as problem: print(problem)\n"
        "try: write_file(place / 'f', b'x' * 5_000)\n"
        "except StorageError as problem: print(problem)\n"
    )
    done = in_small_files(code, tmp_path)
    assert done.stderr == ""
    own, foreign, text, file = done.stdout.splitlines()
    for line in (own, foreign, text):
        assert line.startswith(f"Cannot write '{tmp_path}/m': File too large. At least ")
        assert "An earlier version is unchanged." in line
    assert "At least 4.9 MB are needed" in own
    assert f"'{tmp_path}/f': File too large. At least 0.1 MB are needed" in file
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m" / "x").read_text() == "old"


def test_a_folder_inside_a_draft_is_named_by_where_it_was_to_be(tmp_path):
    with pytest.raises(StorageError, match=f"Cannot write '{tmp_path}/m/inner/deep'"):
        with new_folder(tmp_path / "m") as draft:
            (draft / "inner").write_text("a file")
            with new_folder(draft / "inner" / "deep"):
                pass


def test_other_errors_in_a_draft_are_left_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "m"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_link_to_a_folder_is_replaced_and_what_it_points_to_stays(tmp_path):
    with new_folder(tmp_path / "first") as draft:
        (draft / "x").write_text("first")
    (tmp_path / "m").symlink_to(tmp_path / "first")
    with new_folder(tmp_path / "m") as draft:
        (draft / "x").write_text("second")
    assert names(tmp_path) == ["first", "m"]
    assert (tmp_path / "first" / "x").read_text() == "first"
    assert (tmp_path / "m" / "x").read_text() == "second"

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nlptl.storage import drafts
from nlptl.storage.atomic import new_folder
from nlptl.storage.drafts import draft_of, sweep_drafts

KILLED = """
import os, signal, sys
from pathlib import Path
from nlptl.storage import atomic, drafts
target, where = Path(sys.argv[1]), sys.argv[2]
real = Path.replace
def replace(self, other):
    if where == "after moving the old one aside" and other == target:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, other)
Path.replace = replace
with atomic.new_folder(target) as draft:
    (draft / "x").write_text("new")
    if where == "while writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def save(target, content):
    with new_folder(target) as draft:
        (draft / "x").write_text(content)


def killed(target, where):
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), where], check=False)
    assert done.returncode == -9


def test_the_draft_of_a_killed_process_is_swept_by_the_next_save(tmp_path):
    killed(tmp_path / "m", "while writing")
    assert len(names(tmp_path)) == 1
    save(tmp_path / "m", "whole")
    assert names(tmp_path) == ["m"]


def test_an_older_folder_comes_back_where_a_kill_left_only_what_was_moved_aside(tmp_path):
    save(tmp_path / "m", "old")
    killed(tmp_path / "m", "after moving the old one aside")
    assert "m" not in names(tmp_path)
    sweep_drafts(tmp_path, "m")
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m" / "x").read_text() == "old"


def test_the_draft_of_a_living_process_stays(tmp_path):
    with draft_of(tmp_path / "m", os.mkdir) as draft:
        sweep_drafts(tmp_path)
        code = "import sys; from pathlib import Path; from nlptl.storage.drafts import sweep_drafts"
        sweep = f"{code}; sweep_drafts(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", sweep, str(tmp_path)], check=True)
        assert draft.is_dir()
    assert names(tmp_path) == []


def test_drafts_of_other_names_and_files_of_the_user_stay(tmp_path):
    other = drafts._draft_path(tmp_path / "other", "draft")
    other.mkdir()
    for name in (".m-old", ".m.settings", ".m.0123.draft", "m.draft", ".m.zzzzzzzz00000000.draft"):
        (tmp_path / name).write_text("mine")
    sweep_drafts(tmp_path, "m")
    assert len(names(tmp_path)) == 6
    sweep_drafts(tmp_path)
    assert len(names(tmp_path)) == 5


@pytest.mark.parametrize("reason", ["another machine", "a disk without locks"])
def test_drafts_that_cannot_be_judged_by_a_lock_go_after_a_day(tmp_path, monkeypatch, reason):
    path = drafts._draft_path(tmp_path / "m", "draft")
    if reason == "another machine":
        path = path.with_name(path.name.replace(drafts._host(), "0" * 8))
    else:
        monkeypatch.setattr(drafts, "_lock", lambda handle: False)
    path.mkdir()
    (path / "x").write_text("half")
    sweep_drafts(tmp_path)
    assert path.is_dir()
    yesterday = time.time() - 2 * 24 * 3600
    for entry in (path / "x", path):
        os.utime(entry, (yesterday, yesterday))
    sweep_drafts(tmp_path)
    assert not path.exists()


def test_a_folder_that_does_not_exist_has_no_drafts(tmp_path):
    sweep_drafts(tmp_path / "nothing")
    assert names(tmp_path) == []


def test_a_draft_that_is_swept_before_it_is_locked_is_made_again(tmp_path):
    made = []

    def create(path):
        made.append(path)
        if len(made) > 1:
            path.mkdir()

    with draft_of(tmp_path / "m", create) as draft:
        assert draft == made[1]


def test_a_draft_that_can_never_be_opened_is_an_error(tmp_path):
    with pytest.raises(PermissionError), draft_of(tmp_path / "m", lambda path: None):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_with_the_name_of_a_draft_is_passed_over(tmp_path):
    with draft_of(tmp_path / "m", Path.mkdir) as draft:
        name = draft.name
    os.mkfifo(tmp_path / name)
    sweep_drafts(tmp_path, "m")  # opening the pipe would wait for ever

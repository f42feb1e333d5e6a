import json
import os
import random
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nlptl.base.chance import torch_seed
from nlptl.base.errors import ConfigError
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import write_manifest
from nlptl.training import checkpoints
from nlptl.training.checkpoints import (
    Keeper,
    from_arrays,
    random_states,
    restore_random_state,
    to_arrays,
)
from nlptl.training.processes import make_accelerator

CPU = torch.device("cpu")

ARRAYS = {"weights/a": np.arange(6.0).reshape(2, 3), "chance/0/cpu": np.arange(9, dtype=np.uint8)}


def keeper(tmp_path, **settings):
    return Keeper(tmp_path / "kept", 2, settings)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "kept").iterdir())


def test_the_newest_comes_back_as_it_was(tmp_path):
    own = keeper(tmp_path, seed=1)
    assert own.newest() is None
    for step in (2, 4, 6):
        assert own.save(step, {"step": step, "loss": 0.1 + 0.2}, ARRAYS)
    found = own.newest()
    assert found.position == {"step": 6, "loss": 0.1 + 0.2}
    assert {n: a.tolist() for n, a in found.arrays.items()} == {
        n: a.tolist() for n, a in ARRAYS.items()
    }
    assert names(tmp_path) == ["step-00000004", "step-00000006"]


def test_every_flipped_bit_is_found(tmp_path):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)
    shutil.copytree(tmp_path / "kept", tmp_path / "whole")
    files = [path.name for path in (tmp_path / "whole" / "step-00000002").iterdir()]
    assert len(files) == 4
    chance = random.Random(0)
    for flip in range(80):
        shutil.rmtree(tmp_path / "kept")
        shutil.copytree(tmp_path / "whole", tmp_path / "kept")
        path = tmp_path / "kept" / "step-00000002" / files[flip % 4]
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        assert own.newest() is None, path.name


def test_an_older_one_is_taken_where_the_newest_is_damaged(tmp_path, caplog):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)
    own.save(4, {"step": 4}, ARRAYS)
    (tmp_path / "kept" / "step-00000004" / "position.json").unlink()
    found = own.newest()
    assert found.position == {"step": 2}
    assert "step-00000004" in found.refused[0] and "position.json" in found.refused[0]
    assert "step-00000004 is refused" in caplog.text


def test_a_run_with_other_settings_is_refused(tmp_path):
    keeper(tmp_path, seed=1, rows="a").save(2, {"step": 2}, ARRAYS)
    with pytest.raises(ConfigError, match="differ in seed"):
        keeper(tmp_path, seed=2, rows="a").newest()


def test_what_a_killed_run_left_half_written_is_swept_away(tmp_path):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nlptl.storage.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'state.safetensors').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "kept" / "step-00000004"
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert len(names(tmp_path)) == 2
    assert own.newest().position == {"step": 2}
    assert names(tmp_path) == ["step-00000002"]


def test_a_full_disk_leaves_the_last_good_one_and_training_goes_on(tmp_path, monkeypatch, caplog):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)

    def full(path, arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_arrays", full)
    assert own.save(4, {"step": 4}, ARRAYS) is False
    assert "No space left on device" in caplog.text
    assert names(tmp_path) == ["step-00000002"]
    assert own.newest().position == {"step": 2}


def test_no_room_for_a_checkpoint_is_a_warning_and_the_last_good_one_stays(
    tmp_path, in_small_files
):
    code = (
        "import logging; import numpy as np; logging.basicConfig(format='%(message)s')\n"
        "from nlptl.training.checkpoints import Keeper\n"
        "keeper = Keeper(Path(sys.argv[1]), 2, {})\n"
        "print(keeper.save(2, {'step': 2}, {'a': np.zeros(3)}))\n"
        "limit(2000)\n"
        "print(keeper.save(4, {'step': 4}, {'a': np.zeros(500)}))\n"
        "print(keeper.newest().position)\n"
    )
    done = in_small_files(code, tmp_path / "kept")
    assert done.stdout.splitlines() == ["True", "False", "{'step': 2}"]
    assert done.stderr.count("\n") == 1
    assert "No checkpoint at step 4" in done.stderr and "File too large" in done.stderr
    assert "Training continues." in done.stderr
    assert names(tmp_path) == ["step-00000002"]


def test_interrupting_a_save_leaves_the_last_good_one(tmp_path, monkeypatch):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)

    def stopped(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "write_manifest", stopped)
    with pytest.raises(KeyboardInterrupt):
        own.save(4, {"step": 4}, ARRAYS)
    assert names(tmp_path) == ["step-00000002"]
    assert json.loads((tmp_path / "kept/step-00000002/position.json").read_text())["step"] == 2


def test_tensors_come_back():
    tensors = {"a/b": torch.arange(4.0), "n": torch.tensor(3)}
    arrays = {**to_arrays(tensors, "weights"), "other/x": np.zeros(1)}
    found = from_arrays(arrays, "weights")
    assert {name: part.tolist() for name, part in found.items()} == {"a/b": [0, 1, 2, 3], "n": 3}


def test_chance_goes_on_from_where_it_stood():
    with torch_seed(0):
        torch.rand(3)
        arrays = random_states(make_accelerator("cpu"), CPU)
        wanted = torch.rand(5)
        torch.rand(7)
        restore_random_state(arrays, make_accelerator("cpu"), CPU)
        assert torch.equal(torch.rand(5), wanted)


def test_the_scale_of_float16_goes_on_where_it_was():
    """As on a GPU; the scaler of a processor keeps its numbers in the same way."""
    first, second = (torch.amp.GradScaler("cpu") for _ in range(2))
    first.load_state_dict({**first.state_dict(), "scale": 512.0, "_growth_tracker": 7})
    arrays = random_states(SimpleNamespace(scaler=first, num_processes=1), CPU)
    restore_random_state(arrays, SimpleNamespace(scaler=second, process_index=0), CPU)
    assert second.state_dict() == first.state_dict()


def test_checkpoints_are_due_ten_times_a_training_but_not_too_often(tmp_path):
    keeper = Keeper(tmp_path, None)
    assert [step for step in range(1, 201) if keeper.due(step, 200)] == [50, 100, 150, 200]
    assert sum(keeper.due(step, 2_000) for step in range(1, 2_001)) == 10
    assert [step for step in range(1, 20_001) if keeper.due(step, 20_000)][:2] == [500, 1_000]
    assert Keeper(tmp_path, 3).due(6, 2_000) and not Keeper(tmp_path, 3).due(50, 2_000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("name", ["manifest.sha256", "manifest.json", "position.json"])
def test_a_pipe_in_a_checkpoint_is_refused_and_never_waited_for(tmp_path, name):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)
    own.save(4, {"step": 4}, ARRAYS)
    path = tmp_path / "kept" / "step-00000004" / name
    path.unlink()
    os.mkfifo(path)
    found = own.newest()
    assert found.position == {"step": 2} and "step-00000004" in found.refused[0]


def test_a_position_that_is_nested_without_end_is_refused(tmp_path):
    own = keeper(tmp_path)
    own.save(2, {"step": 2}, ARRAYS)
    folder = tmp_path / "kept" / "step-00000002"
    (folder / "position.json").write_text("[" * 100_000 + "]" * 100_000)
    (folder / "manifest.json").unlink()
    (folder / "manifest.sha256").unlink()
    write_manifest(folder, kind="checkpoint", version="1.0")
    (folder / "manifest.sha256").write_text(sha256_of(folder / "manifest.json"))
    assert own.newest() is None

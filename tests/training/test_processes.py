import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from nlptl.base.errors import ConfigError, ElsewhereError, InputError
from nlptl.training import processes
from nlptl.training.config import LoopConfig
from nlptl.training.processes import (
    World,
    barrier,
    check_world,
    ended,
    from_main,
    gather_rows,
    is_main,
    leave_together,
    make_accelerator,
    own_rows,
    place,
    spreads_weights,
    world,
)

SCRIPT = """
import json, sys, time
import numpy as np
import torch
from nlptl.base.errors import NlptlError, StorageError
from nlptl.training.processes import barrier, check_world, from_main, gather_rows, is_main
from nlptl.training.processes import leave_together, own_rows

def refuse():
    raise StorageError("no room")

try:
    found = check_world()
except NlptlError as problem:
    sys.exit(f"{type(problem).__name__}: {problem}")
gathered = {}
for n in (0, 1, 7, 203):
    truth = np.arange(n * 2, dtype=np.float64).reshape(n, 2)
    gathered[n] = gather_rows(truth[own_rows(n)], n).tolist() == truth.tolist()
flags = np.arange(5) % 2 == 0
gathered["bool"] = gather_rows(flags[own_rows(5)], 5).tolist() == flags.tolist()
answer = from_main(lambda: {"rank": found.rank, "text": "é" * 50})
try:
    from_main(refuse)
except NlptlError as problem:
    refused = type(problem).__name__
barrier()
if found.rank == 0:
    time.sleep(1)
before = time.time()
leave_together()
left = [before, time.time(), torch.distributed.is_initialized()]
record = {"rank": found.rank, "size": found.size, "main": is_main(), "left": left}
with open(f"{sys.argv[1]}/{found.rank}.json", "w") as file:
    json.dump({**record, "gathered": gathered, "answer": answer, "refused": refused}, file)
"""
LAUNCHER = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION")


@pytest.fixture
def alone(monkeypatch):
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "who.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_one_process_is_a_world_of_its_own_and_starts_nothing(alone):
    from accelerate.state import PartialState

    before = dict(PartialState._shared_state)
    rows = np.arange(6).reshape(3, 2)
    assert world() == check_world() == check_world(1) == World(0, 1)
    assert is_main()
    assert own_rows(3).tolist() == [0, 1, 2]
    assert gather_rows(rows, 3) is rows
    assert from_main(lambda: {"a": 1}) == {"a": 1}
    barrier()
    leave_together()
    assert PartialState._shared_state == before


def test_a_process_of_several_ends_at_once_with_all_that_python_has_to_do(alone, tmp_path):
    assert ended(3) == 3
    script = f"""
import atexit
from pathlib import Path
from nlptl.training import processes
processes.world = lambda: processes.World(0, 2)
atexit.register(Path({str(tmp_path / "done")!r}).touch)
print("said", end="", flush=True)
processes.ended(3)
print("never")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "said") and (tmp_path / "done").exists()


def test_another_number_of_rows_than_its_own_is_refused(alone):
    with pytest.raises(InputError, match="has 4 of 4 rows, got 3"):
        gather_rows(np.zeros(3), 4)


def test_another_number_of_processes_than_asked_for_is_refused(alone):
    with pytest.raises(ConfigError, match="processes is 2, but 1 runs.*ACCELERATE_USE_CPU=true"):
        check_world(2)


def test_several_asked_for_and_one_started_is_refused_unless_one_is_wanted(alone):
    alone.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert check_world() == World(0, 1)
    alone.setenv("MASTER_PORT", "29500")  # as accelerate launch --cpu --num_processes 2 does
    with pytest.raises(ConfigError, match="accelerate launch --multi_gpu --num_processes 2"):
        check_world()
    assert check_world(1) == World(0, 1)


def test_processes_that_do_not_know_of_each_other_are_refused_by_the_first(alone):
    alone.setattr("nlptl.training.processes.world", lambda: World(0, 1))
    alone.setenv("WORLD_SIZE", "2")
    alone.setenv("RANK", "0")
    with pytest.raises(ConfigError, match="2 processes were started"):
        check_world()
    alone.setenv("RANK", "1")
    with pytest.raises(ElsewhereError):
        check_world()


def test_two_processes_share_rows_answers_and_errors(launch, script, tmp_path):
    done = launch(script, tmp_path)
    assert done.returncode == 0, done.err
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert [(r["rank"], r["size"], r["main"]) for r in (first, second)] == [
        (0, 2, True),
        (1, 2, False),
    ]
    assert all(first["gathered"].values()) and all(second["gathered"].values())
    # Neither goes before the other is through, and nothing they shared is left behind.
    assert second["left"][1] >= first["left"][0]
    assert not (first["left"][2] or second["left"][2])
    assert first["answer"] == second["answer"] == {"rank": 0, "text": "é" * 50}
    assert (first["refused"], second["refused"]) == ("StorageError", "ElsewhereError")


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param([flag], id=flag[2:], marks=pytest.mark.slow)
        for flag in ("--cpu", "--multi_gpu")
    ],
)
def test_launches_that_give_no_two_processes_are_refused(launch, script, tmp_path, flags):
    import torch

    if torch.cuda.is_available():
        pytest.skip("with a GPU these launches are something else")
    done = launch(script, tmp_path, flags=flags)
    assert done.returncode != 0
    assert done.err.count("ConfigError:") == 1
    assert "ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2" in done.err
    assert not list(tmp_path.glob("*.json"))


def test_asking_for_the_processor_makes_the_state_anew(monkeypatch):
    from accelerate.state import PartialState

    make_accelerator(None)
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("cuda"))
    found = make_accelerator("cpu")
    assert found.device.type == "cpu"
    assert place(found, None).type == "cpu"
    assert str(place(found, "cuda:1")) == "cuda:1"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (("DEEPSPEED", False), "does not support DEEPSPEED.*--use_fsdp --fsdp_version 2"),
        (("FSDP", False), "--fsdp_version 2"),
    ],
    ids=["deepspeed", "fsdp 1"],
)
def test_a_launch_that_training_cannot_follow_is_refused(alone, kind, message):
    from accelerate import Accelerator
    from accelerate.utils import DistributedType

    assert not spreads_weights(make_accelerator("cpu"))
    named, second = kind
    alone.setattr(Accelerator, "distributed_type", DistributedType[named])
    alone.setattr(Accelerator, "is_fsdp2", second)
    with pytest.raises(ConfigError, match=message):
        make_accelerator("cpu")
    alone.setattr(Accelerator, "distributed_type", DistributedType.FSDP)
    alone.setattr(Accelerator, "is_fsdp2", True)
    assert spreads_weights(make_accelerator("cpu"))


def test_fsdp_that_was_asked_for_in_vain_is_refused(alone):
    alone.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="does not offer it here"):
        make_accelerator("cpu")
    alone.setenv("ACCELERATE_USE_FSDP", "false")
    make_accelerator("cpu")


def test_float16_needs_a_device_that_has_it():
    with pytest.raises(ConfigError, match="CUDA"):
        make_accelerator("cpu", LoopConfig(precision="float16"))


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked for its free memory")
def test_what_is_free_goes_back_to_the_system():
    program = """
import gc
import numpy as np
from nlptl.training.processes import give_memory_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4 / 1024

gc.disable()
many = [np.ones(2_000) for _ in range(5_000)]  # 80 MiB in pieces too small to be mapped alone
last = np.ones(2_000)
del many
before = resident()
give_memory_back()
print(before - resident())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert float(done.stdout) > 40


def test_processes_that_stand_at_different_checkpoints_are_refused(monkeypatch):
    processes.check_same(7)
    monkeypatch.setattr(processes, "gather_rows", lambda *_: np.array([7, 0]))
    with pytest.raises(ConfigError, match=r"\[7, 0\]"):
        processes.check_same(7)


def test_a_tracker_that_is_not_installed_is_refused(alone):
    with pytest.raises(ConfigError, match="no such tracker"):
        make_accelerator("cpu", LoopConfig(log_with="aim"))

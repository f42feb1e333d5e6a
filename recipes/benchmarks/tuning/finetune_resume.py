"""Claim: training killed at any moment ends with the very weights of a run that was not killed.

    NLPTL_DATA=... python recipes/benchmarks/tuning/finetune_resume.py [--quick]

`nlptl train` tunes all-MiniLM-L6-v2 on 160 rows of trec in 30 steps of two passes, with a
checkpoint after every second step, by one process and by two. It is killed with SIGKILL, with all
its processes, at random moments until 20 kills have hit it, at least five of them while a
checkpoint was being written; each time it is started again and left alone, and the sha256 of its
weights is compared with the run that was never killed. Then single bits of a checkpoint are
flipped, 200 times, and none may be accepted. --quick takes five kills each and 50 flips.
"""

import hashlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from nlptl.training.checkpoints import Keeper

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read

LAUNCH = [
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
    "--main_process_port",
    "0",
]
STEPS = 30


def main() -> int:
    options = arguments(__doc__)
    logging.getLogger("nlptl").setLevel(logging.ERROR)  # every flip is refused with a warning
    report = Report("finetune_resume")
    kills, flips = (5, 50) if options.quick else (20, 200)
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        rows = read("trec", "train")
        table = rows.iloc[drawn(len(rows), 160, 0)][["text", "label_text"]]
        table.to_csv(room / "train.csv", index=False)
        for processes in (1, 2):
            equal, writing = killed(room, processes, kills, report)
            report.claim(
                f"{processes} process(es): {equal} of {kills} killed runs end with the same "
                f"weights, {writing} of them killed while writing",
                equal == kills and writing >= min(5, kills // 4),
            )
        accepted = flipped(room, flips)
        report.record(flips=flips, accepted=accepted)
        report.claim(f"{accepted} of {flips} flipped bits were accepted", accepted == 0)
    return report.finish()


def killed(room: Path, processes: int, kills: int, report: Report) -> tuple[int, int]:
    """Kill a run at random moments; count equal ends, and kills that hit a write."""
    started = time.perf_counter()
    finish(start(room, f"whole-{processes}", processes))
    length = time.perf_counter() - started
    wanted = digest(room / f"whole-{processes}")
    chance, equal, writing = random.Random(processes), 0, 0
    for turn in range(kills):
        output = f"killed-{processes}-{turn}"
        folder = room / f"{output}.checkpoints" / "attempt-0"
        process = start(room, output, processes)
        amid = wait(folder, chance, turn, length)
        kill(process)
        step = int(max((p.name for p in folder.glob("step-*")), default="step-0")[5:])
        finish(start(room, output, processes))
        same = digest(room / output) == wanted
        equal, writing = equal + same, writing + amid
        report.record(processes=processes, kill=turn, step=step, writing=amid, same=same)
        shutil.rmtree(room / output)
    return equal, writing


def wait(folder: Path, chance: random.Random, turn: int, length: float) -> bool:
    """Wait for the moment to kill: every third time in the middle of a write."""
    if turn % 3:
        until = time.perf_counter() + chance.uniform(0.3, 0.9) * length
        while time.perf_counter() < until:
            time.sleep(0.01)
        return bool(list(folder.glob(".step-*")))
    seen, wanted, until = set(), chance.randrange(1, STEPS // 2), time.perf_counter() + 3 * length
    while time.perf_counter() < until:
        drafts = {path.name for path in folder.glob(".step-*")}
        seen |= drafts
        if drafts and len(seen) >= wanted:
            time.sleep(chance.uniform(0, 0.15))
            return bool(list(folder.glob(".step-*")))
        time.sleep(0.002)
    return False


def start(room: Path, output: str, processes: int) -> subprocess.Popen:
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "accelerate.commands.launch", "--multi_gpu"]
        command += ["--num_processes", str(processes), *LAUNCH]
    command += ["-m", "nlptl", "train", "--transfer", "full"]
    training = {"max_steps": STEPS, "save_steps": 2, "batch_size": 8, "accumulation": 2}
    return subprocess.Popen(
        [
            *command,
            *(str(room / "train.csv"), "--label-column", "label_text"),
            *("--test-share", "0", "--output", str(room / output), "--device", "cpu"),
            *(part for n, v in training.items() for part in (f"--training.{n}", str(v))),
        ],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> None:
    error = process.communicate()[1]
    if process.returncode:
        sys.exit(f"The training failed:\n{error[-3000:]}")


def kill(process: subprocess.Popen) -> None:
    """Kill the launcher and its processes, which are in sessions of their own."""
    try:
        first = psutil.Process(process.pid)
        family = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for entry in family:
        if entry.is_running():
            entry.kill()
    psutil.wait_procs(family, timeout=10)
    process.communicate()


def digest(folder: Path) -> str:
    """Hash the weights of encoder and head."""
    content = [path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))]
    return hashlib.sha256(b"".join(content)).hexdigest()


def flipped(room: Path, flips: int) -> int:
    """Flip single bits of a checkpoint; count how often it is accepted."""
    process = start(room, "flipped", 1)
    folder = room / "flipped.checkpoints" / "attempt-0"
    while not list(folder.glob("step-*")):
        time.sleep(0.01)
    kill(process)
    newest = max(folder.glob("step-*"))
    for other in folder.iterdir():
        if other != newest:
            shutil.rmtree(other)
    settings = json.loads((newest / "position.json").read_text())["settings"]
    keeper = Keeper(folder, 2, settings)
    if keeper.newest() is None:
        sys.exit("The whole checkpoint is refused.")
    files, chance, accepted = sorted(newest.iterdir()), random.Random(0), 0
    for flip in range(flips):
        path = files[flip % len(files)]
        place, bit = chance.randrange(path.stat().st_size), 1 << chance.randrange(8)
        for _ in range(2):  # there and back
            with path.open("r+b") as file:
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ bit]))
            accepted += keeper.newest() is not None if _ == 0 else 0
    return accepted


if __name__ == "__main__":
    sys.exit(main())

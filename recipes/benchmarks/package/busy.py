"""Claim: beside one busy process `nlptl demo` takes at most 1.8 times its quiet time on two cores.

    python recipes/benchmarks/package/busy.py [--quick]

Threads of OpenMP that wait for each other spin by default. On a machine whose cores are all in
use they take the processor from the thread that they wait for. The command line therefore lets
them sleep (OMP_WAIT_POLICY=PASSIVE). This script times the whole command in processes of their
own: on a quiet machine with threads that sleep and with threads that spin as long as they do where
nobody sets a policy, and beside one busy process with threads that sleep. The second claim is the
price on a quiet machine: at most 10 %. Nothing else may run. --quick takes 4 labels per class in
place of 12.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments

DEFAULT_SPINS = "300000"
"""Turns of a waiting thread of GNU OpenMP where no policy is set."""

POLICIES = {
    "sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": DEFAULT_SPINS},
}
MAX_BUSY_RATIO, MAX_QUIET_RATIO = 1.8, 1.1


@contextmanager
def busy_process():
    """Keep one core at work."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def demo_seconds(policy: dict[str, str], shots: int) -> float:
    """Return the seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {"NLPTL_CACHE": f"{folder}/cache"}
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "nlptl", "demo", "--shots", str(shots)],
            cwd=folder,
            env={**os.environ, **caches, **policy},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - started


def main() -> int:
    options = arguments(__doc__)
    report = Report("busy")
    shots = 4 if options.quick else 12
    seconds = {}
    for load, threads in (("quiet", "spin"), ("quiet", "sleep"), ("busy", "sleep")):
        with busy_process() if load == "busy" else nullcontext():
            seconds[load, threads] = demo_seconds(POLICIES[threads], shots)
        report.record(load=load, threads=threads, shots=shots, seconds=seconds[load, threads])
    busy = seconds["busy", "sleep"] / seconds["quiet", "sleep"]
    quiet = seconds["quiet", "sleep"] / seconds["quiet", "spin"]
    report.record(cores=os.cpu_count(), busy_ratio=busy, quiet_ratio=quiet)
    report.claim(f"busy at most {MAX_BUSY_RATIO} times quiet: {busy:.2f}", busy <= MAX_BUSY_RATIO)
    report.claim(
        f"quiet at most {MAX_QUIET_RATIO} times spinning: {quiet:.2f}", quiet <= MAX_QUIET_RATIO
    )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

"""Every benchmark starts: its imports are there and it explains its options."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*/*.py") if path.stem != "hostile_ways")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_explains_its_options(script):
    done = subprocess.run(
        [sys.executable, str(script), "--help"],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"recipes/benchmarks/{script.parent.name}/{script.name}" in script.read_text()

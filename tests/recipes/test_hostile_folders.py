"""A small part of the benchmark that loads hostile folders."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes" / "benchmarks" / "package" / "hostile_folders.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux reports it")
def test_hostile_folders_of_one_kind_are_refused_in_one_way():
    command = [sys.executable, str(SCRIPT), "--quick", "--only", "counts"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[0])
    assert figures["folders"] == figures["refused"] > 15

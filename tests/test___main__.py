import subprocess
import sys


def test_the_module_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "nlptl", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("nlptl: error:")

import subprocess
import sys
from pathlib import Path

from nlptl import TextClassifier, TfidfEncoder

RECIPE = Path(__file__).parents[2] / "recipes" / "publish.py"


def test_a_dry_run_lists_the_files(tmp_path):
    model = TextClassifier(TfidfEncoder()).fit(["good", "bad"] * 3, ["yes", "no"] * 3)
    given = [str(model.save(tmp_path / "model")), "user/mood", "--dry-run"]
    done = subprocess.run(
        [sys.executable, str(RECIPE), *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "model.json" in done.stdout and done.stdout.count("bytes") > 1
    assert "Nothing was published" in done.stdout

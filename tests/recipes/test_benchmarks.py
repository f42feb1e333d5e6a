"""Every benchmark starts: its imports are there and it explains its options."""

from pathlib import Path

import pytest

from tests.recipes.help_of_script import help_of

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*/*.py") if path.stem != "hostile_ways")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_explains_its_options(script, capsys, monkeypatch):
    assert "usage:" in help_of(script, capsys, monkeypatch)
    assert f"recipes/benchmarks/{script.parent.name}/{script.name}" in script.read_text()

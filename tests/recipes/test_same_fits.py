"""The comparison of two answers in the benchmark of equal fits."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes" / "benchmarks" / "package" / "same_fits.py"


@pytest.fixture
def same_fits(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds the folder of material.py
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    spec = importlib.util.spec_from_file_location("same_fits", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_answers_are_compared_figure_for_figure(same_fits):
    old = {"labels": ["a", "b"], "figures": [[0.25, 0.75], [0.5, 0.5]]}
    assert same_fits.difference(old, old) == 0.0
    moved = {**old, "figures": [[0.25, 0.75], [0.5, 0.5 + 1e-6]]}
    assert same_fits.difference(old, moved) == pytest.approx(1e-6)
    for other in ({**old, "labels": ["b", "b"]}, {"labels": []}, {**old, "figures": [[0.25]]}):
        assert same_fits.difference(old, other) == float("inf")

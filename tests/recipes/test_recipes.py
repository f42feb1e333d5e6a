"""Recipes use only the public API, are short, and run without any table."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nlptl
from nlptl import TextClassifier
from tests.recipes.help_of_script import help_of

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPTS = sorted(RECIPES.glob("*.py"))
SHIPPED = {"fewshot": ["--shots", "2"], "finetune": ["--epochs", "1"], "lora": ["--epochs", "1"]}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_recipe_is_short_and_imports_only_public_names(path):
    source = path.read_text()
    assert 30 <= source.count("\n") <= 60
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if node.module.startswith("nlptl")]
    assert {node.module for node in ours} == {"nlptl"}
    assert {alias.name for node in ours for alias in node.names} <= set(nlptl.__all__)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_recipe_explains_its_options(path, capsys, monkeypatch):
    assert "usage:" in help_of(path, capsys, monkeypatch)
    assert f"recipes/{path.name}" in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_recipe_runs_on_shipped_data(name, tmp_path, tiny_encoder):
    words = [*SHIPPED[name], "--encoder", str(tiny_encoder), "--output", "model"]
    done = subprocess.run(
        [sys.executable, str(RECIPES / f"{name}.py"), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout and "Saved: model" in done.stdout
    assert len(TextClassifier.load(tmp_path / "model").classes_) == 8


def test_an_error_of_nlptl_is_reported_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, str(RECIPES / "finetune.py"), "no.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "finetune.py: error: There is no file 'no.csv'. Check the path.\n"

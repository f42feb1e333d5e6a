"""Idle threads of the command line sleep, unless the user decided otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
SHOW_WHEN_TORCH_IS_IMPORTED = """
import os, runpy, sys

class Show:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)  # importing torch takes seconds

sys.meta_path.insert(0, Show())
"""
COMMAND = "import nlptl.cli.main, torch"
RECIPE = f"runpy.run_path({str(RECIPES / 'lora.py')!r}); import torch"
PACKAGE = "import nlptl, torch; nlptl.TextClassifier"


def policy(code, **chosen):
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW_WHEN_TORCH_IS_IMPORTED + code],
        env={**clean, **chosen},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.partition("\n")[0]


@pytest.mark.parametrize("code", [COMMAND, RECIPE], ids=["command", "recipe"])
def test_the_policy_is_passive_before_torch_is_loaded(code):
    assert policy(code) == "PASSIVE"


def test_a_policy_of_the_user_is_kept():
    assert policy(COMMAND, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


def test_the_package_alone_sets_no_policy():
    assert policy(PACKAGE) == "None"

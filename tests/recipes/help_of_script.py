"""Run a script with --help in this process, which imports the libraries once for all scripts."""

import runpy
import sys
from pathlib import Path

import pytest


def help_of(script: Path, capsys, monkeypatch) -> str:
    """Return what the script prints with --help, after a check that it ends well."""
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert not ended.value.code
    return capsys.readouterr().out

"""The main function of a script: exit codes, and errors in one line."""

import signal
import sys

import pytest

from nlptl import is_main, run_script
from nlptl.base.errors import ElsewhereError, InputError
from nlptl.training.processes import World


def test_the_function_runs_and_the_code_is_zero():
    calls = []
    assert run_script(lambda: calls.append(is_main())) == 0
    assert calls == [True]


@pytest.mark.parametrize("message", ["Pass texts.", "Pass\ntexts."])
def test_an_error_of_nlptl_is_one_line(message, capsys):
    def main():
        raise InputError(message)

    assert run_script(main) == 2
    assert capsys.readouterr().err.endswith(": error: Pass texts.\n")


def test_another_process_reports_its_own_error(capsys):
    def main():
        raise ElsewhereError("The main process failed.")

    assert run_script(main) == 2
    assert capsys.readouterr().err == ""


def test_ctrl_c_is_one_line(capsys):
    def main():
        raise KeyboardInterrupt

    assert run_script(main) == 130
    assert "interrupted; finished checkpoints" in capsys.readouterr().err


def test_sigterm_has_its_own_code(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert run_script(lambda: signal.raise_signal(signal.SIGTERM)) == 143
    assert "terminated; finished checkpoints" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_script_can_end_itself():
    assert run_script(lambda: sys.exit(3)) == 3
    with pytest.raises(SystemExit, match="no table"):
        run_script(lambda: sys.exit("no table"))


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 / 0)


def test_processes_without_a_connection_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("nlptl.training.processes.world", lambda: World(0, 1))
    assert run_script(lambda: None) == 2
    assert "not connected" in capsys.readouterr().err

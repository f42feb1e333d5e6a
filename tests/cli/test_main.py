import subprocess
import sys

import pytest

from nlptl import __version__
from nlptl.cli.main import COMMANDS, main


def run(capsys, *arguments):
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_without_a_command_there_is_an_overview(capsys):
    for arguments in ((), ("--help",)):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert all(name in out for name in COMMANDS)
    assert run(capsys, "--version")[1] == f"nlptl {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_examples(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "examples:" in out
    assert f"nlptl {command}" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "no command is called 'trian'. Did you mean 'train'"),
        (
            ["train", "x.csv", "--encodr", "y"],
            "unknown option '--encodr'. Did you mean '--encoder'",
        ),
        (["train", "x.csv", "--head.c", "1"], "Did you mean '--head.C'"),
        (["train"], "There is no data to train on"),
        (["train", "nothing.csv"], "There is no file 'nothing.csv'"),
        (["evaluate", "model"], "the following arguments are required: data"),
        (["predict", "nowhere", "x.csv"], "There is no folder 'nowhere'"),
        (["train", "nothing.csv", "--shots", "-1"], "shots must be at least 0, got -1"),
        (["compare", "nothing.csv", "--shots", "0"], "shots must be at least 1, got 0"),
        (["demo", "--shots", "-1"], "shots must be at least 1, got -1"),
        (["predict", "m"], "Give either a table of texts"),
        (["predict", "m", "x.csv", "--output", "x.doc"], r"Cannot write 'x.doc'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_an_interruption_is_no_traceback(capsys, monkeypatch):
    from nlptl.cli.asking import audit

    def interrupted(given):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "run", interrupted)
    code, _, err = run(capsys, "audit", "x.csv")
    assert code == 130
    assert "interrupted" in err


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    code = (
        "import sys; from nlptl.cli import main\nfrom nlptl.cli.asking import audit\n"
        "audit.run = lambda given: sys.stdout.write('x' * 10_000_000) and 0\n"
        "sys.exit(main.main(['audit', 'x']))\n"
    )
    (tmp_path / "run.py").write_text(code)
    done = subprocess.run(
        f"{{ {sys.executable} {tmp_path}/run.py; echo $? >&2; }} | head -c 5",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "xxxxx"
    assert done.stderr == "0\n"

import os
import signal
import subprocess
import sys

import pytest

from nlptl import __version__
from nlptl.cli.main import COMMANDS, _ending_on_sigterm, main


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
        (["train", "x.csv", "--rank", "8"], "Did you mean '--transfer.rank'"),
        (["train", "x.csv", "--learnin-rate", "1"], "Did you mean '--learning-rate'"),
        (["train"], "There is no data to train on"),
        (["train", "nothing.csv"], "There is no file 'nothing.csv'"),
        (["evaluate", "model"], "the following arguments are required: data"),
        (["predict", "nowhere", "x.csv"], "There is no folder 'nowhere'"),
        (["train", "nothing.csv", "--shots", "-1"], "shots must be at least 0, got -1"),
        (["compare", "nothing.csv", "--shots", "0"], "shots must be at least 1, got 0"),
        (["demo", "--shots", "-1"], "shots must be at least 1, got -1"),
        (["predict", "m"], "takes either a table of texts (DATA) or --text TEXT, got neither"),
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


STOPPED = """
import os, signal, sys
from nlptl.cli import main
from nlptl.cli.asking import audit
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
def run(given):
    try:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        signal.pause()
    finally:
        print("cleaned up", flush=True)
audit.run = run
sys.exit(main.main(["audit", "x.csv"]))
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")]
)
def test_sigterm_ends_a_command_as_ctrl_c_does(number, code, word):
    command = [sys.executable, "-c", STOPPED, number]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == "cleaned up\n"
    assert done.stderr == f"\nnlptl audit: {word}; no incomplete output was left.\n"


def test_an_interruption_while_a_command_is_imported_is_one_line(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("nlptl.cli.main.import_module", interrupted)
    code, _, err = run(capsys, "train", "x.csv")
    assert code == 130
    assert err == "\nnlptl train: interrupted; nothing was started.\n"


def test_nothing_heavy_is_imported_before_interruptions_are_caught():
    code = (
        "import sys; import nlptl.cli.main\n"
        "print([n for n in ('numpy', 'torch', 'pandas', 'sklearn', 'rich') if n in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sigterm_is_left_to_the_launcher_of_several_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = signal.getsignal(signal.SIGTERM)
    with _ending_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.setenv("WORLD_SIZE", "1")
    with _ending_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_of_any_encoding_shows_every_text(tmp_path, encoding):
    (tmp_path / "data.csv").write_text("text,label\nEssen → gut,日本\nÄrger,☂\n" * 2, "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for arguments in (("audit", tmp_path / "data.csv"), ("audit", tmp_path / "☂.csv")):
        done = subprocess.run(
            [sys.executable, "-m", "nlptl", *map(str, arguments)],
            capture_output=True,
            env=environment,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        done.stdout.decode(encoding)
        done.stderr.decode(encoding)
        assert done.returncode == (2 if "☂" in str(arguments) else 0)


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

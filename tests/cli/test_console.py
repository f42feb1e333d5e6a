import os
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from nlptl.cli.console import add_columns, console, hand_over


def test_columns_are_named_by_options():
    parser = ArgumentParser()
    add_columns(parser, label=True)
    given = parser.parse_args(["--text-column", "a", "b", "--label-column", "l"])
    assert (given.text_column, given.label_column, given.split) == (["a", "b"], "l", None)


def test_a_pipe_is_wide_enough_for_the_tables():
    assert console().width >= 80


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_table_on_a_pipe_is_utf_8_whatever_the_encoding_of_the_console(encoding):
    code = (
        "import sys; from nlptl.cli.console import hand_over\n"
        "hand_over(sys.argv[1].encode(), None, '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "text\nEssen → 日本\n"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=True,
    )
    assert done.stdout.decode("utf-8") == "text\nEssen → 日本\n"


def test_an_output_below_the_home_folder_lies_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    hand_over(b"a\n1\n", "~/out/a.csv", "1 row")
    assert (tmp_path / "home" / "out" / "a.csv").read_bytes() == b"a\n1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert "1 row written to ~/out/a.csv" in capsys.readouterr().out

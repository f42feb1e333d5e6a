"""Stages of a fit on the terminal."""

import logging
import os
import pty
import subprocess
import sys
import warnings

from nlptl import TextClassifier, TfidfEncoder
from nlptl.cli.stages import show_stages

REPEATED = ["good film", "bad film"] * 6, ["+", "-"] * 6
CODE = f"""
from nlptl import TextClassifier, TfidfEncoder
from nlptl.cli.stages import show_stages
with show_stages():
    TextClassifier(TfidfEncoder()).fit(*{REPEATED!r})
TextClassifier(TfidfEncoder()).fit(*{REPEATED!r})
"""


def test_a_terminal_shows_each_stage_inside_the_block():
    end, terminal = pty.openpty()
    subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], stderr=terminal, check=True)
    os.close(terminal)
    lines = os.read(end, 10_000).decode().split("\r\n")
    os.close(end)
    assert lines == [
        "Reading texts and labels",
        "Auditing 12 rows",
        "Encoding 12 texts",
        "Fitting the head and calibrating it",
        "",
    ]


def test_without_a_terminal_nothing_is_shown_and_the_logger_stays_as_it_was(capfd):
    logger = logging.getLogger("nlptl")
    before = logger.level, list(logger.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with show_stages():
            TextClassifier(TfidfEncoder()).fit(*REPEATED)
    assert capfd.readouterr() == ("", "")
    assert (logger.level, list(logger.handlers)) == before

"""Finding the command, running it, and turning errors into one line.

Nothing heavy is imported here: an interruption while a command is imported is one line, too.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from nlptl import __version__
from nlptl.base.errors import ElsewhereError, NlptlError
from nlptl.base.suggestions import suggest

COMMANDS = {
    "demo": "show the whole story on shipped data, offline",
    "train": "train a text classifier or regressor and save it",
    "evaluate": "measure a saved model on labelled data",
    "predict": "label texts with a saved model, or give their numbers",
    "serve": "answer for texts over HTTP with a saved model, with a form to try it",
    "add-classes": "let a saved classifier know further classes by their names",
    "suggest": "choose the texts whose labels would teach a saved model most",
    "multitask": "train several tasks on one encoder, each judged against itself alone",
    "compare": "hold two transfers against each other on the rows at hand",
    "adapt-language": "teach an encoder further languages by translated sentences",
    "distill": "teach a small, fast model what a saved one knows",
    "export": "write a saved classifier for transformers, peft or onnxruntime",
    "publish": "put a saved model on the Hugging Face Hub, with a card",
    "audit": "look for repeats, conflicts and leaks in a table before training",
}

_TOP = ("demo", "publish", "serve")
_LEARNING = ("train", "multitask", "compare", "adapt-language", "distill")

_BAD_INPUT = 2
_INTERRUPTED = 130
_TERMINATED = 143


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came; it ends a command as Ctrl-C does."""


class OneLineParser(ArgumentParser):
    """A parser whose errors take one line and suggest the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with exit code 2."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            options = [option for action in self._actions for option in action.option_strings]
            message = (
                f"unknown option {unknown.split()[0]!r}. {suggest(unknown.split()[0], options)}"
            )
            message = message.partition(" Known:")[0] + f" See {self.prog} --help."
        sys.stderr.write(f"{self.prog}: error: {' '.join(message.split())}\n")
        raise SystemExit(_BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``nlptl``; None takes it from the process.

    Returns
    -------
    int
        0 when all went well, 2 for bad input, 130 when interrupted, 143 after SIGTERM.
    """
    _show_every_text()
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        sys.stdout.write(_overview())
        return 0
    if name == "--version":
        sys.stdout.write(f"nlptl {__version__}\n")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(
            f"nlptl: error: no command is called {name!r}. {suggest(name, COMMANDS)}\n"
        )
        return _BAD_INPUT
    return _run(name, given[1:])


def _run(name: str, rest: list[str]) -> int:
    room = "" if name in _TOP else "learning." if name in _LEARNING else "asking."
    try:
        with _ending_on_sigterm():
            command = import_module(f"nlptl.cli.{room}{name.replace('-', '_')}")
            return run_command(f"nlptl {name}", command, rest)
    except KeyboardInterrupt as stop:
        return _interrupted(f"nlptl {name}", stop, "nothing was started")


def run_command(prog: str, command: Any, rest: Sequence[str]) -> int:
    """Run a command or a recipe: read its options, and turn errors into one line.

    Parameters
    ----------
    prog : str
        Its name, for messages.
    command : module
        With a docstring, ``EXAMPLES``, ``add_arguments(parser)`` and ``run(given)``; where it
        has ``INTERRUPTED``, that says what an interruption leaves.
    rest : sequence of str
        What was written after its name.

    Returns
    -------
    int
        As ``main``.
    """
    parser = OneLineParser(
        prog=prog,
        description=command.__doc__,
        epilog=command.EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    from nlptl.training.processes import ended, leave_together

    _show_every_text()
    command.add_arguments(parser)
    try:
        with _ending_on_sigterm():
            code = int(command.run(parser.parse_args(rest)))
        leave_together()
        sys.stdout.flush()
        return ended(code)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except ElsewhereError:
        return _BAD_INPUT
    except NlptlError as problem:
        sys.stderr.write(f"{prog}: error: {' '.join(str(problem).split())}\n")
        return _BAD_INPUT
    except KeyboardInterrupt as stop:
        left = getattr(command, "INTERRUPTED", "nothing half-written was left")
        return _interrupted(prog, stop, left)
    except BrokenPipeError:
        # The reader of our output went away (nlptl ... | head): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _show_every_text() -> None:
    """Let the console show characters outside its encoding as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Raise an exception on SIGTERM inside the block, so that what was begun is cleaned up.

    Processes that a launcher started are left to it: it ends all of them at once.
    """

    def end(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # cleaning up is not interrupted again
        raise TerminatedError

    launched = int(os.environ.get("WORLD_SIZE") or 1) > 1
    if launched or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted(prog: str, stop: KeyboardInterrupt, left: str) -> int:
    word, code = "interrupted", _INTERRUPTED
    if isinstance(stop, TerminatedError):
        word, code = "terminated", _TERMINATED
    sys.stderr.write(f"\n{prog}: {word}; {left}.\n")
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Transfer learning on text: carry knowledge over, and know whether it helped.",
            "",
            "usage: nlptl COMMAND ...",
            "",
            *lines,
            "",
            "Start with 'nlptl demo'. 'nlptl COMMAND --help' explains a command with examples.",
            "",
        ]
    )

"""Find the command, run it and report errors in one line.

This module imports nothing large. An interruption while a command is imported is then also
reported in one line.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType, ModuleType
from typing import NoReturn

from nlptl import __version__
from nlptl.base.errors import ElsewhereError, NlptlError
from nlptl.base.suggestions import suggest

COMMANDS = {
    "demo": "compare transfer methods on shipped data, offline",
    "train": "train a text classifier or regressor and save it",
    "evaluate": "evaluate a saved model on labelled data",
    "predict": "predict labels or numbers for texts with a saved model",
    "serve": "serve a saved model over HTTP, with a form to try it",
    "add-classes": "add classes to a saved classifier by their names, without training",
    "suggest": "choose the unlabelled texts that are most useful to label next",
    "multitask": "train several tasks on one encoder, and alone where that is better",
    "compare": "compare methods on repeated splits of the same rows",
    "curve": "measure methods with more and more labels",
    "adapt-language": "train an encoder on translated sentences for other languages",
    "distill": "train a small, fast student model to imitate a saved model",
    "cascade": "let a fast model answer the easy texts of a saved classifier",
    "export": "export a saved classifier for transformers, peft or onnxruntime",
    "publish": "publish a saved model on the Hugging Face Hub, with a model card",
    "audit": "check a table for duplicates, conflicting labels and leaks",
    "info": "describe a saved model, or this machine and what nlptl uses of it",
}

_TOP = ("demo", "publish", "serve")
_LEARNING = (
    "train",
    "multitask",
    "compare",
    "curve",
    "adapt-language",
    "distill",
    "cascade",
)

_BAD_INPUT = 2
_INTERRUPTED = 130
_TERMINATED = 143


class TerminatedError(KeyboardInterrupt):
    """Raised on SIGTERM. It ends a command in the same way as Ctrl-C."""


class OneLineParser(ArgumentParser):
    """Argument parser that reports errors in one line and suggests the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with code 2."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            options = [option for action in self._actions for option in action.option_strings]
            word = unknown.split()[0]
            name = word.removeprefix("--").replace("-", "_")
            of_parts = [option for option in options if option.endswith(f".{name}")]
            message = f"unknown option {word!r}. {suggest(word, of_parts or options)}"
            message = message.partition(" Known:")[0] + f" See {self.prog} --help."
        sys.stderr.write(f"{self.prog}: error: {' '.join(message.split())}\n")
        raise SystemExit(_BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``nlptl``; None reads them from ``sys.argv``.

    Returns
    -------
    int
        Exit code: 0 for success, 2 for bad input, 130 after an interruption, 143 after SIGTERM.
    """
    _show_every_text()
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words else "--help"
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
    return _run(name, words[1:])


def _run(name: str, rest: list[str]) -> int:
    package = "" if name in _TOP else "learning." if name in _LEARNING else "asking."
    try:
        with _ending_on_sigterm():
            command = import_module(f"nlptl.cli.{package}{name.replace('-', '_')}")
            return run_command(f"nlptl {name}", command, rest)
    except KeyboardInterrupt as stop:
        return _interrupted(f"nlptl {name}", stop, "nothing was started")


def run_command(prog: str, command: ModuleType, rest: Sequence[str]) -> int:
    """Run a command: read its options, and report errors in one line.

    Parameters
    ----------
    prog : str
        Name of the command, for messages.
    command : module
        Has a docstring, ``EXAMPLES``, ``add_arguments(parser)`` and ``run(arguments)``. An
        optional ``INTERRUPTED`` describes the state after an interruption.
    rest : sequence of str
        The words after the name of the command.

    Returns
    -------
    int
        Exit code, as for ``main``.
    """
    parser = OneLineParser(
        prog=prog,
        description=command.__doc__,
        epilog=command.EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    state = getattr(command, "INTERRUPTED", "no incomplete output was left")

    def work() -> int:
        from nlptl.data.tables.text_source import text_encoding

        arguments = parser.parse_args(rest)
        with text_encoding(getattr(arguments, "encoding", None)):
            return int(command.run(arguments))

    return run_reported(prog, work, state=state)


def run_reported(prog: str, work: Callable[[], int], *, state: str) -> int:
    """Run the work of a command or a script, and report errors in one line.

    Parameters
    ----------
    prog : str
        Name of the command, for messages.
    work : callable
        Returns an exit code.
    state : str
        What an interruption leaves, for the message.

    Returns
    -------
    int
        Exit code, as for ``main``.
    """
    from nlptl.training.processes import ended, leave_together

    _show_every_text()
    try:
        with _ending_on_sigterm():
            code = work()
        leave_together()
        sys.stdout.flush()
        return ended(code)
    except SystemExit as system_exit:
        if isinstance(system_exit.code, str):  # the interpreter prints it
            raise
        return int(system_exit.code or 0)
    except ElsewhereError:  # the process that failed reports the error
        return _BAD_INPUT
    except NlptlError as problem:
        sys.stderr.write(f"{prog}: error: {' '.join(str(problem).split())}\n")
        return _BAD_INPUT
    except KeyboardInterrupt as stop:
        return _interrupted(prog, stop, state)
    except BrokenPipeError:
        # The reader of the output stopped (nlptl ... | head). This is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _show_every_text() -> None:
    """Show characters outside the encoding of the console as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Raise an exception on SIGTERM inside the block, so that unfinished work is cleaned up.

    Do nothing in the processes of a launcher, because the launcher ends all of them at once.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # do not interrupt the cleanup
        raise TerminatedError

    launched = int(os.environ.get("WORLD_SIZE") or 1) > 1
    if launched or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _interrupted(prog: str, stop: KeyboardInterrupt, state: str) -> int:
    word, code = "interrupted", _INTERRUPTED
    if isinstance(stop, TerminatedError):
        word, code = "terminated", _TERMINATED
    sys.stderr.write(f"\n{prog}: {word}; {state}.\n")
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "Transfer learning on text: reuse pretrained models, and measure whether that helps.",
            "",
            "usage: nlptl COMMAND ...",
            "",
            *lines,
            "",
            "Start with 'nlptl demo'. 'nlptl COMMAND --help' explains a command with examples.",
            "",
        ]
    )

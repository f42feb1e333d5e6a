"""Run the main function of a user's script, in one process or several."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nlptl.cli.main import run_reported
from nlptl.training.processes import check_world


def run_script(main: Callable[[], object]) -> int:
    """Run a function in every process of a launch, and return the exit code.

    Use it for scripts that ``accelerate launch`` starts. It checks that the processes are
    connected, reports an error of nlptl in one line, and ends all processes together.

    Parameters
    ----------
    main : callable
        The work of the script. Every process calls it. In it, save and print only if
        ``is_main()`` is true.

    Returns
    -------
    int
        0 for success, 2 after an error of nlptl, 130 after Ctrl-C, 143 after SIGTERM. With several
        processes, the function does not return after success: it ends the process with code 0.

    Examples
    --------
    >>> from nlptl import is_main
    >>> def main():
    ...     if is_main():
    ...         print("model.fit(texts, labels) comes before this line")
    >>> run_script(main)
    model.fit(texts, labels) comes before this line
    0
    """

    def work() -> int:
        check_world()
        main()
        return 0

    state = "finished checkpoints and blocks are kept"
    return run_reported(Path(sys.argv[0]).name, work, state=state)

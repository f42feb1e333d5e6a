"""Run the main function of a user's script, in one process or several."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nlptl.base.errors import ElsewhereError, NlptlError
from nlptl.training.processes import check_world, ended, leave_together

_BAD_INPUT = 2
_INTERRUPTED = 130


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
        0 for success, 2 after an error of nlptl, 130 after Ctrl-C. With several processes, the
        function does not return after success: it ends the process with code 0.

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
    name = Path(sys.argv[0]).name
    try:
        check_world()
        main()
        leave_together()
    except ElsewhereError:  # the process that failed reports the error
        return _BAD_INPUT
    except NlptlError as problem:
        sys.stderr.write(f"{name}: error: {' '.join(str(problem).split())}\n")
        return _BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{name}: interrupted; finished checkpoints and blocks are kept.\n")
        return _INTERRUPTED
    sys.stdout.flush()
    return ended(0)

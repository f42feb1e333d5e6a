"""Show the stages of a fit on the terminal while a command runs."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nlptl.base.errors import AuditWarning
from nlptl.training.processes import is_main


@contextmanager
def show_stages() -> Iterator[None]:
    """Print a line per stage on standard error inside the block, if it is a terminal.

    The warning about the training rows is hidden, because commands print the audit as a table.
    Use it with ``with``, or as a decorator of ``run``.
    """
    logger = logging.getLogger("nlptl")
    level, handler = logger.level, _StageHandler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AuditWarning)
        if not (sys.stderr.isatty() and is_main()):
            yield
            return
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


class _StageHandler(logging.Handler):
    """Writes messages above the progress bar, if one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)

"""Documentation page of all transfer methods, generated from their docstrings."""

from __future__ import annotations

import inspect

from nlptl.base.transfer import Transfer
from nlptl.transfer.registry import METHODS

_HEAD = """# Methods

Generated from the code by `python docs/make_methods.py`. The column "carries over" uses the terms
of Pan and Yang, "A Survey on Transfer Learning" (2010): instances, features, parameters or
relations.

| method | carries over | setting | needs target labels | summary | paper |
|---|---|---|---|---|---|
"""


def methods_page() -> str:
    """Return the page of methods in Markdown, with one table row per method."""
    return _HEAD + "".join(_row(method.kind) for method in METHODS)


def _row(method: type[Transfer]) -> str:
    sentence = (inspect.getdoc(method) or "").split("\n", 1)[0].replace(" [1]_", "")
    needs = "yes" if "labels" in method.needs else "no"
    cells = (
        f"`{method.__name__}`",
        method.carries,
        method.setting,
        needs,
        sentence,
        method.paper,
    )
    return f"| {' | '.join(cells)} |\n"

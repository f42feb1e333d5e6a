"""The page of methods, made from what the methods say of themselves."""

from __future__ import annotations

import inspect
from typing import Any

from nlptl.transfer.registry import METHODS

_HEAD = """# Methods

Made from the code by `python docs/make_methods.py`. What is carried over is named after Pan and
Yang, "A Survey on Transfer Learning" (2010): instances, features, parameters or relations.

| method | carries over | setting | needs target labels | in one sentence | paper |
|---|---|---|---|---|---|
"""


def methods_page() -> str:
    """Give the page of methods in Markdown, one row a method."""
    return _HEAD + "".join(_row(method.kind) for method in METHODS)


def _row(method: Any) -> str:
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

"""Documentation page of all transfer methods, generated from their docstrings."""

from __future__ import annotations

from nlptl.base.docstrings import summary_of
from nlptl.base.transfer import KINDS_OF_DATA, Transfer
from nlptl.transfer.registry import METHODS, Method

_HEAD = """# Methods

Generated from the code by `python docs/make_methods.py`. The column "carries over" uses the terms
of Pan and Yang, "A Survey on Transfer Learning" (2010): instances, features, parameters or
relations. "Needs" lists the arguments of ``fit``; labels of a source count as labels if the target
has none. "Works with" lists the data that a method supports, in addition to single texts with one
label each; other data raise an error. "Name" is the value of `transfer=` and of `--transfer`.

| method | name | carries over | setting | needs | works with | summary | paper |
|---|---|---|---|---|---|---|---|
"""


_NEEDS = ("labels", "unlabeled", "source", "links")


def methods_page() -> str:
    """Return the page of methods in Markdown, with one table row per method."""
    return _HEAD + "".join(_row(record) for record in METHODS)


def _row(record: Method) -> str:
    method: type[Transfer] = record.kind
    needs = [name for name in _NEEDS if name in method.needs]
    supports = [kind for kind in KINDS_OF_DATA if kind in method.supports]
    cells = (
        f"`{method.__name__}`",
        f"`{record.name}`" if record.on_command_line else "-",
        method.carries,
        method.setting,
        ", ".join(needs) or "-",
        ", ".join(supports) or "-",
        summary_of(method),
        method.paper,
    )
    return f"| {' | '.join(cells)} |\n"

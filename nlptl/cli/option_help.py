"""Help texts for the parts of a model: their names, and the options of each."""

from __future__ import annotations

import sys
import textwrap
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from typing import Any

from nlptl.base.docstrings import sentences_of_options, summary_of
from nlptl.config.components import PARTS, find_class, names_of, options_of

_WIDTH = 100
_LONGEST_DEFAULT = 40
_SHORT_NAMES = {
    "training.epochs": ["--epochs"],
    "training.learning_rate": ["--learning-rate", "--lr"],
    "training.batch_size": ["--batch-size"],
}


def add_parts(parser: ArgumentParser) -> None:
    """Declare the names and the options of encoder, transfer, head and training."""
    suffixes = {
        "encoder": ", or a Hub name or folder",
        "transfer": ", or several joined by +; default frozen",
        "head": "; default logistic, for numbers ridge",
    }
    for part, suffix in suffixes.items():
        parser.add_argument(f"--{part}", metavar="NAME", help=f"one of the {part}s below{suffix}")
        parser.add_argument_group(f"{part}s", _summaries(part))
    parser.add_argument(
        "--help-all", action=_HelpAll, nargs=0, help="list the options of all parts"
    )
    shown = parser.add_argument_group("options of the training that have short names")
    for part in PARTS:
        for option, sentence in _sentences(part).items():
            name = f"{part}.{option}"
            short = _SHORT_NAMES.get(name, [])
            explanation = sentence.replace("%", "%%") if short else SUPPRESS
            shown.add_argument(*short, f"--{name}", dest=name, metavar="VALUE", help=explanation)


class _HelpAll(Action):
    """Print the help with the options of all parts, and exit."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, *_: Any) -> None:
        parser.print_help()
        sys.stdout.write(f"\n{_all_options()}\n")
        parser.exit()


def _sentences(part: str) -> dict[str, str]:
    """Return the options that any class of a part has, with a sentence each."""
    sentences: dict[str, str] = {}
    for name in names_of(part):
        kind = find_class(part, name)
        texts = sentences_of_options(kind)
        sentences |= {option: texts.get(option, "") for option in options_of(kind)}
    return sentences


def _summaries(part: str) -> str:
    """Return a line for each name of a part."""
    lines = []
    for name in names_of(part):
        summary = summary_of(find_class(part, name)).replace("``", "").replace("%", "%%")
        lines += textwrap.wrap(f"{name:<14}{summary}", _WIDTH - 2, subsequent_indent=" " * 14)
    return "\n".join(lines)


def _all_options() -> str:
    """Return the options of each class with their defaults and a sentence each."""
    blocks = []
    for part in PARTS:
        for name in names_of(part):
            kind = find_class(part, name)
            sentences, defaults = sentences_of_options(kind), options_of(kind)
            title = "options of the training" if part == "training" else f"options of {part} {name}"
            lines = [f"{title}:" if defaults else f"{title}: none"]
            for option, default in defaults.items():
                text = f"{sentences.get(option, '')}{_default(default)}".replace("``", "")
                lines.append(f"  --{part}.{option}")
                indent = " " * 8
                lines += textwrap.wrap(
                    text, _WIDTH, initial_indent=indent, subsequent_indent=indent
                )
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _default(value: object) -> str:
    shown = repr(value)
    if value is None or len(shown) > _LONGEST_DEFAULT:
        return ""
    return f" Default: {shown}."

"""Open texts of tables, from files or from memory, with their encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from typing_extensions import Self

from nlptl.base.errors import InputError

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte-order marks with their encodings, the longer marks first."""


_DEFAULT: ContextVar[str | None] = ContextVar("encoding", default=None)


@contextmanager
def text_encoding(encoding: str | None) -> Iterator[None]:
    """Read all text files in this encoding while the context is open, as a command does."""
    token = _DEFAULT.set(encoding)
    try:
        yield
    finally:
        _DEFAULT.reset(token)


def default_encoding() -> str | None:
    """Return the encoding that ``text_encoding`` set, or None."""
    return _DEFAULT.get()


@dataclass(frozen=True)
class TextSource:
    """A text that can be opened several times.

    Attributes
    ----------
    name : str
        Name of the text in messages, for example ``"'reviews.csv'"``.
    open_bytes : callable
        Returns the bytes of the text as a file that is open for reading.
    encoding : str or None
        None is UTF-8, or the encoding of the byte-order mark.
    """

    name: str
    open_bytes: Callable[[], Any]
    encoding: str | None = None

    @classmethod
    def of_file(cls, path: Path, encoding: str | None = None) -> Self:
        """Return the text of a plain or compressed file."""
        opener = _OPENERS.get(path.suffix.lower(), open)
        return cls(repr(str(path)), lambda: opener(path, "rb"), encoding)

    def open(self, *, line_end: str = "\n") -> IO[str]:
        """Open the text for reading and skip its byte-order mark.

        Raises
        ------
        InputError
            If the encoding is unknown, or the text is UTF-16 without a byte-order mark.
        """
        codec = self._codec()
        return TextIOWrapper(self.open_bytes(), encoding=codec, newline=line_end)

    def _codec(self) -> str:
        """Return the codec of Python that decodes the text."""
        if self.encoding is not None:
            return _checked(self.encoding)
        with self.open_bytes() as file:
            start = bytes(file.read(4))
        marked = (name for mark, name in _MARKS.items() if start.startswith(mark))
        codec = next(marked, "utf-8-sig")
        if codec == "utf-8-sig" and b"\0" in start[:2]:
            likely = "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
            raise InputError(
                f"{self.name} seems to be UTF-16 without a byte-order mark, expected UTF-8. "
                f"{encoding_advice(likely)}"
            )
        return codec


def ending_of(path: Path) -> str:
    """Return the extension of a file in lower case, without that of its compression.

    Examples
    --------
    >>> ending_of(Path("reviews.csv.gz"))
    '.csv'
    """
    endings = (ending.lower() for ending in reversed(path.suffixes))
    return next((ending for ending in endings if ending not in _OPENERS), "")


def encoding_advice(encoding: str) -> str:
    """Return a hint for a text that cannot be decoded, with the encoding that it may have."""
    return (
        f"Pass its encoding, for example encoding={encoding!r} (on the command line: "
        f"--encoding {encoding}), or convert the file: iconv -f {encoding} -t UTF-8 OLD > NEW"
    )


def _checked(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # codecs that encode no text, such as base64, are refused
    except LookupError as problem:
        raise InputError(
            f"encoding={encoding!r} is not an encoding of text. Use for example 'cp1252' "
            "(Windows), 'latin-1' or 'utf-16'."
        ) from problem
    return "utf-8-sig" if name == "utf-8" else name

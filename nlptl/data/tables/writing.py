"""Tables into files: whole, or piece by piece with the pieces joined."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from nlptl.base.errors import ConfigError
from nlptl.base.names import suggest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableFormat:
    """One kind of file for tables.

    Attributes
    ----------
    ending : str
        Of the names of its files.
    encode : callable
        Takes a table; gives the bytes of a whole file.
    encode_more : callable
        Takes a table; gives bytes that follow those of an earlier piece.
    join : callable
        Takes the paths of the pieces in order and an open file; writes the whole.
    """

    ending: str
    encode: Callable[[Any], bytes]
    encode_more: Callable[[Any], bytes]
    join: Callable[[Sequence[Path], BinaryIO], None]


def table_format(path: str | Path) -> TableFormat:
    """Give the kind of file that the ending of a path asks for.

    Raises
    ------
    ConfigError
        If tables cannot be written as such.
    """
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(f"Cannot write {str(path)!r}: {suggest(ending, _FORMATS)}")
    return _FORMATS[ending]


def _separated(ending: str, separator: str) -> TableFormat:
    def encode(table: pd.DataFrame) -> bytes:
        return table.to_csv(index=False, sep=separator).encode()

    def encode_more(table: pd.DataFrame) -> bytes:
        return table.to_csv(index=False, sep=separator, header=False).encode()

    return TableFormat(ending, encode, encode_more, _append)


def _encode_lines(table: pd.DataFrame) -> bytes:
    return table.to_json(orient="records", lines=True, force_ascii=False).encode()


def _encode_parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))


def _append(pieces: Sequence[Path], file: BinaryIO) -> None:
    for piece in pieces:
        with piece.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)


def _join_parquet(pieces: Sequence[Path], file: BinaryIO) -> None:
    """Write one group of rows a piece, in types that hold the values of all pieces."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [_plain(pq.read_schema(piece)) for piece in pieces]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    with pq.ParquetWriter(file, schema) as writer:
        for piece in pieces:
            writer.write_table(pq.read_table(piece).cast(schema))


def _plain(schema: Any) -> Any:
    """Drop what pandas noted of one piece; categories, which differ by piece, become values."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(field.name, field.type.value_type)
            if pa.types.is_dictionary(field.type)
            else pa.field(field.name, field.type)
            for field in schema
        ]
    )


_FORMATS = MappingProxyType(
    {
        kind.ending: kind
        for kind in (
            _separated(".csv", ","),
            _separated(".tsv", "\t"),
            TableFormat(".jsonl", _encode_lines, _encode_lines, _append),
            TableFormat(".parquet", _encode_parquet, _encode_parquet, _join_parquet),
        )
    }
)

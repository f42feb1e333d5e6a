"""Tables from files, folders and the Hub."""

from __future__ import annotations

import bz2
import gzip
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import InputError
from nlptl.base.names import suggest
from nlptl.base.paths import user_path
from nlptl.data.rows import Rows, as_rows

if TYPE_CHECKING:
    import pandas as pd


def read_table(source: str | Path, *, split: str | None = None) -> pd.DataFrame:
    """Read a table from a file, a folder written by ``datasets``, or the Hub.

    Parameters
    ----------
    source : str or Path
        A csv, tsv, jsonl or parquet file (csv, tsv and jsonl also as ``.gz`` or ``.bz2``), a
        folder written by ``save_to_disk``, or the name of a data set on the Hub.
    split : str, optional
        Which split of a folder or a Hub data set to read, where it has several.

    Returns
    -------
    DataFrame
        Columns of csv and tsv files are strings, just as written ("NA" stays "NA"); other
        formats keep their types. Class numbers of ``datasets`` become the names of the classes.

    Raises
    ------
    InputError
        If there is no such file, its kind is unknown, or it cannot be read; the line or the byte
        is named where the format tells.
    """
    path = user_path(source)
    if path.is_dir():
        return _from_datasets(lambda: _load_folder(path), str(source), split)
    if path.is_file():
        return _from_file(path)
    if path.suffix or path.is_absolute() or str(source).startswith("."):
        raise InputError(f"There is no file {str(source)!r}. Check the path.")
    return _from_datasets(lambda: _load_hub(str(source), split), str(source), split)


def column(table: pd.DataFrame, name: str) -> list[Any]:
    """Give one column of a table as a list.

    Raises
    ------
    InputError
        If there is no such column; the nearest name is suggested.
    """
    known = [str(known) for known in table.columns]
    if name not in known:
        raise InputError(f"There is no column {name!r}. {suggest(name, known)}")
    if known.count(name) > 1:
        raise InputError(f"{known.count(name)} columns are called {name!r}. Rename them.")
    return list(table.iloc[:, known.index(name)].tolist())


def texts_of(table: pd.DataFrame, columns: Sequence[str]) -> Rows:
    """Read the texts of a table from one column, or pairs from two."""
    found = [column(table, name) for name in columns]
    return as_rows(found[0] if len(found) == 1 else list(zip(*found, strict=True)))


def read_chunks(source: str | Path, *, rows: int) -> Iterator[pd.DataFrame]:
    """Read a file piece by piece, without ever holding all of it.

    Parameters
    ----------
    source : str or Path
        A file as for ``read_table``.
    rows : int
        How many rows a piece has; the last one has what is left.

    Yields
    ------
    DataFrame
        Cells are as in the file, whatever stands in other pieces: columns of csv and tsv files
        are strings, whole numbers stay whole beside missing ones. The columns of a jsonl file
        are those of its first piece.

    Raises
    ------
    InputError
        As ``read_table``.
    """
    path = user_path(source)
    if not path.is_file():
        raise InputError(
            f"There is no file {str(source)!r} to read piece by piece. Check the path."
        )
    reader = _CHUNKED[_kind_of(path)]
    with _named_problems(path):
        yield from reader(path, rows)


def _from_file(path: Path) -> pd.DataFrame:
    reader = _READERS[_kind_of(path)]
    with _named_problems(path):
        return reader(path)


def _kind_of(path: Path) -> str:
    kind = next((s for s in reversed(path.suffixes) if s not in {".gz", ".bz2"}), "").lower()
    if kind not in _READERS:
        raise InputError(
            f"Cannot read {str(path)!r}: {kind or 'no ending'} is not a kind of table known here. "
            f"Known: {', '.join(_READERS)}, and folders written by datasets."
        )
    return kind


@contextmanager
def _named_problems(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{str(path)!r} is not UTF-8: byte {problem.object[problem.start]:#04x} at position "
            f"{problem.start}. Convert it, for example: iconv -f latin1 -t utf8 OLD > NEW"
        ) from problem
    except (ValueError, OSError, EOFError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"Cannot read {str(path)!r}: {reason}. Repair the file.") from problem


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    table: pd.DataFrame = _strictly(lambda: _open_csv(path, separator))
    return table


def _csv_chunks(path: Path, rows: int, separator: str) -> Iterator[pd.DataFrame]:
    with _strictly(lambda: _open_csv(path, separator, chunksize=rows)) as reader:
        while True:
            piece = _strictly(lambda: next(reader, None))
            if piece is None:
                return
            yield piece


def _open_csv(path: Path, separator: str, **options: Any) -> Any:
    import pandas as pd

    return pd.read_csv(
        path,
        sep=separator,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8",
        index_col=False,
        **options,
    )


def _strictly(read: Callable[[], Any]) -> Any:
    """Read, and refuse rows longer than the header: they lose their end with but a warning."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return read()
        except pd.errors.ParserWarning as problem:
            raise ValueError("some rows have more fields than the header") from problem


def _read_jsonl(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8")


def _jsonl_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    # Not pandas' own pieces: a whole number beside a missing one would become a fraction in one
    # piece and stay whole in the next.
    import pandas as pd

    names: list[str] | None = None
    for start, records in _records(path, rows):
        if names is None:
            names = list(dict.fromkeys(name for record in records for name in record))
        for place, record in enumerate(records):
            new = [name for name in record if name not in names]
            if new:
                raise InputError(
                    f"Row {start + place} of {str(path)!r} has a field {new[0]!r} that none of "
                    f"the first {rows} rows has. Write it in the first row too, as null."
                )
        cells = [[record.get(name) for name in names] for record in records]
        yield pd.DataFrame(cells, columns=pd.Index(names), dtype=object)


def _records(path: Path, rows: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}
    opened = openers.get(path.suffix.lower(), open)
    start = 0
    records: list[dict[str, Any]] = []
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is no object in braces: {line.strip()[:40]!r}")
            records.append(record)
            if len(records) == rows:
                yield start, records
                start, records = start + rows, []
    if records:
        yield start, records


def _parquet_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held: list[Any] = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            held.append(batch)
            if sum(map(len, held)) >= rows:  # batches end where the groups of the file end
                whole = pa.Table.from_batches(held)
                yield whole.slice(0, rows).to_pandas(integer_object_nulls=True)
                held = whole.slice(rows).to_batches()
    if sum(map(len, held)):
        yield pa.Table.from_batches(held).to_pandas(integer_object_nulls=True)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


_READERS: MappingProxyType[str, Callable[[Path], pd.DataFrame]] = MappingProxyType(
    {
        ".csv": lambda path: _read_csv(path, ","),
        ".tsv": lambda path: _read_csv(path, "\t"),
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
)


_CHUNKED: MappingProxyType[str, Callable[[Path, int], Iterator[pd.DataFrame]]] = MappingProxyType(
    {
        ".csv": lambda path, rows: _csv_chunks(path, rows, ","),
        ".tsv": lambda path, rows: _csv_chunks(path, rows, "\t"),
        ".jsonl": _jsonl_chunks,
        ".parquet": _parquet_chunks,
    }
)


def _load_folder(path: Path) -> Any:
    from datasets import load_from_disk

    return load_from_disk(str(path))


def _load_hub(name: str, split: str | None) -> Any:
    from datasets import load_dataset

    return load_dataset(name, split=split)


def _from_datasets(load: Callable[[], Any], source: str, split: str | None) -> pd.DataFrame:
    try:
        return _named_classes(_choose_split(load(), source, split))
    except InputError:
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split())[:300]
        raise InputError(
            f"Cannot read data set {source!r} ({type(problem).__name__}: {reason}). "
            "It is neither a file here, nor a folder written by datasets, nor reachable on the Hub."
        ) from problem


def _choose_split(loaded: Any, source: str, split: str | None) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    if split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    if split not in loaded:
        raise InputError(
            f"{source!r} has several splits, got split={split!r}. {suggest(split or '', loaded)}"
        )
    return loaded[split]


def _named_classes(dataset: Any) -> pd.DataFrame:
    import pandas as pd

    table: pd.DataFrame = dataset.to_pandas()
    for name, feature in dataset.features.items():
        if hasattr(feature, "int2str"):
            names = dict(enumerate(feature.names))
            # Rows without a label, as in published test splits, carry -1 or nothing.
            table[name] = [None if pd.isna(code) else names.get(int(code)) for code in table[name]]
    return table

"""Tables from files, folders and the Hub."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import InputError
from nlptl.base.names import suggest

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
    path = Path(source)
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


def _from_file(path: Path) -> pd.DataFrame:
    kind = next((s for s in reversed(path.suffixes) if s not in {".gz", ".bz2"}), "")
    reader = _READERS.get(kind.lower())
    if reader is None:
        raise InputError(
            f"Cannot read {str(path)!r}: {kind or 'no ending'} is not a kind of table known here. "
            f"Known: {', '.join(_READERS)}, and folders written by datasets."
        )
    try:
        return reader(path)
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{str(path)!r} is not UTF-8: byte {problem.object[problem.start]:#04x} at position "
            f"{problem.start}. Convert it, for example: iconv -f latin1 -t utf8 OLD > NEW"
        ) from problem
    except (ValueError, OSError, EOFError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"Cannot read {str(path)!r}: {reason}. Repair the file.") from problem


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        # A row longer than the header loses its end with no more than a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8",
                index_col=False,
            )
        except pd.errors.ParserWarning as problem:
            raise ValueError("some rows have more fields than the header") from problem


def _read_jsonl(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8")


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

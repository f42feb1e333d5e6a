"""Scoring a large table with a saved model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.paths import user_path
from nlptl.base.progress import progress_bar
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.table_reading import column, read_sheets
from nlptl.data.tables.table_writing import table_format
from nlptl.encoders.cache import without_cache
from nlptl.estimators.bulk.answered_rows import check_columns, label_piece, text_columns
from nlptl.estimators.bulk.scored_parts import Output
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_model import TextModel
from nlptl.hub.model_place import place_of
from nlptl.storage.hashing import fingerprint, sha256_of
from nlptl.storage.manifest import read_manifest
from nlptl.storage.outputs import check_output_file
from nlptl.training.processes import World, barrier, check_world, from_main


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """What to score, and where to.

    Attributes
    ----------
    model : str
        Folder of a saved model.
    data : str
        A csv, tsv, jsonl or parquet file.
    output : str
        A file of any of these kinds; the rows of ``data`` with further columns ``predicted`` and,
        of classes, ``probability``.
    text_column : tuple of str
        One column, or two for pairs; empty takes those the model was trained on.
    chunk_rows : int
        Rows of a piece: what is in memory at once, and what a killed run does again at most.
    processes : int or None
        How many processes must be there; None takes those that the launcher started.
    overwrite : bool
        Replace an output, or parts of one, made with other settings.
    """

    model: str
    data: str
    output: str
    text_column: tuple[str, ...] = ()
    chunk_rows: int = 4096
    processes: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        rules = {"chunk_rows": self.chunk_rows, "processes": self.processes or 1}
        broken = [f"{name} must be at least 1, got {n}" for name, n in rules.items() if n < 1]
        if broken:
            raise ConfigError(f"{'; '.join(broken)}.")
        table_format(self.output)

    def settings(self) -> dict[str, Any]:
        """Give what the bytes of the output depend on, with the content of model and data."""
        data = user_path(self.data)
        if not data.is_file():
            raise InputError(f"There is no file {self.data!r}. Check the path.")
        return {
            "model": fingerprint(read_manifest(place_of(self.model))["files"]),
            "data": sha256_of(data),
            "text_column": list(self.text_column),
            "chunk_rows": self.chunk_rows,
            "format": table_format(self.output).ending,
        }


def score_table(job: BulkJob, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Score a table, with all processes of the launch, from where an earlier run stopped.

    The table is read piece by piece. The pieces that are not there yet go to the processes in
    turn; each becomes a file of its own at once. When all are there the main process joins them.
    The bytes of the output do not depend on the number of processes, nor on interruptions.

    Parameters
    ----------
    job : BulkJob
    say : callable
        Takes a line for the user; called in the main process only.

    Returns
    -------
    dict
        rows, sha256 and settings of the output, in every process.

    Raises
    ------
    ConfigError
        If the processes are not those that were asked for.
    InputError
        If the table cannot be read or a text cannot be used.
    StorageError
        If the output or its parts were made with other settings, or the output is an input.
    """
    world = check_world(job.processes)
    output = Output(user_path(job.output))
    with ExitStack() as held:
        plan = from_main(lambda: _prepare(job, output, say, held))
        if "record" in plan:
            return dict(plan["record"])
        model = load_any(job.model)
        columns = text_columns(model, job.text_column)
        from_main(lambda: _check_start(job, model, columns))
        n_parts, n_rows = _Scorer(job, output, model, columns).run(set(plan["kept"]), world)
        barrier()
        record = from_main(lambda: output.join(n_parts, plan["settings"], n_rows=n_rows))
    if world.rank == 0:
        say(f"{record['rows']} rows written to {job.output}")
    return record


@dataclass(frozen=True)
class _Scorer:
    """What turns pieces of the table into parts of the output."""

    job: BulkJob
    output: Output
    model: TextModel
    columns: list[str]

    def run(self, kept: set[int], world: World) -> tuple[int, int]:
        """Score the missing pieces of this process; return the numbers of pieces and rows."""
        missing = number = start = 0
        bar = progress_bar(total=None, unit="row", description="Scoring", show=_shown(world))
        # A vector from the cache was computed in another batch, so it may differ in its last
        # digits; and a large table would drive everything else out of the cache.
        with bar, without_cache():
            for number, sheet in enumerate(self._pieces(), start=1):
                if number - 1 not in kept:
                    if missing % world.size == world.rank:
                        self._score(number - 1, start, sheet)
                    missing += 1
                start += len(sheet)
                bar.update(len(sheet))
        return number, start

    def _pieces(self) -> Iterator[Sheet]:
        return read_sheets(self.job.data, rows=self.job.chunk_rows)

    def _score(self, number: int, start: int, sheet: Sheet) -> None:
        kind = table_format(self.job.output)
        done = label_piece(sheet, self.model, self.columns, start=start)
        content = kind.encode_more(done) if number else kind.encode(done)
        self.output.keep(number, content, rows=len(sheet))


def _prepare(
    job: BulkJob, output: Output, say: Callable[[str], None], held: ExitStack
) -> dict[str, Any]:
    """Find out what there is to do, and keep other runs away until it is done."""
    check_output_file(job.output, inputs=(job.data, job.model), overwrite=True)
    settings = job.settings()
    held.enter_context(output.alone())
    record = output.finished(settings)
    if record is not None:
        output.clear()
        rows = record["rows"]
        say(f"{job.output} already holds the {rows} rows of these settings: nothing to do.")
        return {"record": record}
    output.open(settings, overwrite=job.overwrite)
    kept, damaged = output.verified()
    if damaged:
        say(f"{damaged} damaged parts in {output.folder}: scored anew.")
    if kept:
        say(f"{len(kept)} parts of {job.chunk_rows} rows are there already, verified and kept.")
    return {"settings": settings, "kept": kept}


def _check_start(job: BulkJob, model: TextModel, columns: list[str]) -> None:
    """Look at the first piece, so that what is wrong with all pieces is said once."""
    first = next(read_sheets(job.data, rows=job.chunk_rows), None)
    if first is None or not len(first):
        raise InputError(f"{job.data!r} has no rows. Check the file.")
    check_columns(first.frame, model)
    for name in columns:
        column(first.frame, name)


def _shown(world: World) -> bool | None:
    return None if world.rank == 0 else False

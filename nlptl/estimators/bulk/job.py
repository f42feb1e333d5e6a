"""Score a large table with a saved model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.base.paths import user_path
from nlptl.base.progress import progress_bar
from nlptl.data.tables.reading import column, read_sheets
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.writing import table_format
from nlptl.encoders.cache import without_cache
from nlptl.estimators.bulk.answered_rows import check_columns, label_piece, text_columns
from nlptl.estimators.bulk.scored_parts import Output
from nlptl.estimators.loading import load_any, load_predictor
from nlptl.hub.model_place import place_of
from nlptl.storage.hashing import fingerprint, sha256_of
from nlptl.storage.manifest import read_manifest
from nlptl.storage.outputs import check_output_file
from nlptl.training.processes import World, barrier, check_world, from_main

if TYPE_CHECKING:
    from nlptl.estimators.bulk.answered_rows import Answering


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """Settings of a scoring run: the model, the table and the output file.

    Attributes
    ----------
    model : str
        Folder of a saved model.
    data : str
        A csv, tsv, jsonl or parquet file.
    output : str
        A csv, tsv, jsonl or parquet file for the rows of ``data`` with a new column ``predicted``.
        Classifiers add a column ``probability``. Cascades also add ``passed_on``.
    text_column : tuple of str
        One column, or two columns for pairs. Empty is the columns that the model was trained on.
    chunk_rows : int
        Number of rows per block. One block is in memory at a time. A killed run repeats at most
        one block.
    processes : int or None
        Required number of processes. None accepts any number that the launcher started.
    overwrite : bool
        True to replace an output, or its parts, that were made with other settings.
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
        """Return all settings that change the output, with hashes of the model and the data."""
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


def score_table(job: BulkJob, *, report: Callable[[str], object]) -> dict[str, Any]:
    """Score a table with all processes of the launch, and resume an interrupted run.

    The table is read in blocks. The processes take turns at the blocks that are not scored yet,
    and write each scored block to a file at once. At the end the main process joins these files.
    The bytes of the output depend neither on the number of processes nor on interruptions.

    Parameters
    ----------
    job : BulkJob
    report : callable
        Function that shows a line to the user, such as ``print``. Only the main process calls it.

    Returns
    -------
    dict
        rows, sha256 and settings of the output, in every process.

    Raises
    ------
    ConfigError
        If the number of processes differs from ``job.processes``.
    InputError
        If the table cannot be read or a text cannot be used.
    StorageError
        If the output or its parts were made with other settings, or the output is also an input.
    """
    world = check_world(job.processes)
    output = Output(user_path(job.output))
    with ExitStack() as stack:
        plan = from_main(lambda: _prepare(job, output, report, stack))
        if "record" in plan:
            return dict(plan["record"])
        model = load_predictor(job.model) or load_any(job.model)
        columns = text_columns(model, job.text_column)
        from_main(lambda: _check_start(job, model, columns))
        n_parts, n_rows = _Scorer(job, output, model, columns).run(set(plan["kept"]), world)
        barrier()
        record = from_main(lambda: output.join(n_parts, plan["settings"], n_rows=n_rows))
    if world.rank == 0:
        report(f"{record['rows']} rows written to {job.output}")
    return record


@dataclass(frozen=True)
class _Scorer:
    """Score blocks of the table and write them as parts of the output."""

    job: BulkJob
    output: Output
    model: Answering
    columns: list[str]

    def run(self, kept: set[int], world: World) -> tuple[int, int]:
        """Score the missing blocks of this process. Return the numbers of blocks and rows."""
        missing = number = start = 0
        bar = progress_bar(total=None, unit="row", description="Scoring", show=_shown(world))
        # A vector from the cache was computed in another batch, so its last digits may differ.
        # A large table would also push everything else out of the cache.
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
        scored = label_piece(sheet, self.model, self.columns, start=start)
        content = kind.encode_more(scored) if number else kind.encode(scored)
        self.output.keep(number, content, rows=len(sheet))


def _prepare(
    job: BulkJob, output: Output, report: Callable[[str], object], stack: ExitStack
) -> dict[str, Any]:
    """Lock the output until the stack closes. Return the record, or the parts that are kept."""
    check_output_file(job.output, inputs=(job.data, job.model), overwrite=True)
    if user_path(job.model).resolve() in user_path(job.output).resolve().parents:
        raise StorageError(
            f"The output {job.output!r} is in the folder of the model, which could then not be "
            "loaded any more. Choose another folder."
        )
    settings = job.settings()
    stack.enter_context(output.alone())
    record = output.finished(settings)
    if record is not None:
        output.clear()
        rows = record["rows"]
        report(f"{job.output} already holds the {rows} rows for these settings: nothing to do.")
        return {"record": record}
    output.open(settings, overwrite=job.overwrite)
    kept, damaged = output.verified()
    if damaged:
        report(f"{damaged} damaged parts in {output.folder} are scored again.")
    if kept:
        report(f"{len(kept)} parts of {job.chunk_rows} rows are there already and were verified.")
    return {"settings": settings, "kept": kept}


def _check_start(job: BulkJob, model: Answering, columns: list[str]) -> None:
    """Check the first block, so that a problem of all blocks is reported once, before scoring."""
    first = next(read_sheets(job.data, rows=job.chunk_rows), None)
    if first is None or not len(first):
        raise InputError(f"{job.data!r} has no rows. Check the file.")
    check_columns(first.frame, model)
    for name in columns:
        column(first.frame, name)


def _shown(world: World) -> bool | None:
    return None if world.rank == 0 else False

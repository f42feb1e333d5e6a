import decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nlptl import TextClassifier, TfidfEncoder, read_table
from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.cli.main import main
from nlptl.estimators.bulk import job as module
from nlptl.estimators.bulk.job import BulkJob, score_table


@pytest.fixture
def model(few, tmp_path):
    return TextClassifier(TfidfEncoder()).fit(*few).save(tmp_path / "m")


@pytest.fixture
def make(model, few, tmp_path):
    pd.DataFrame({"id": range(40), "text": few[0]}).to_csv(tmp_path / "in.csv", index=False)
    said: list[str] = []

    def start(output="out.csv", **options):
        options = {"data": str(tmp_path / "in.csv"), "chunk_rows": 7, **options}
        job = BulkJob(model=str(model), output=str(tmp_path / output), **options)
        return score_table(job, report=said.append)

    start.said, start.folder = said, tmp_path
    return start


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_the_output_is_that_of_predict(make, model, kind):
    folder = make.folder
    record = make(f"out.{kind}")
    assert record["rows"] == 40
    assert make.said == [f"40 rows written to {folder / f'out.{kind}'}"]
    main(["predict", str(model), str(folder / "in.csv"), "--output", str(folder / f"p.{kind}")])
    found, wanted = folder / f"out.{kind}", folder / f"p.{kind}"
    pd.testing.assert_frame_equal(read_table(found), read_table(wanted))
    if kind != "parquet":
        assert found.read_bytes() == wanted.read_bytes()


def test_a_finished_output_is_left_alone(make):
    first = make()
    changed = (make.folder / "out.csv").stat().st_mtime_ns
    assert make() == first
    assert "already holds the 40 rows" in make.said[-1]
    assert (make.folder / "out.csv").stat().st_mtime_ns == changed


def test_an_interrupted_run_goes_on_and_damaged_parts_are_scored_anew(make, monkeypatch):
    make("whole.csv")
    real, left = module.label_piece, [4]

    def interrupted(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(module, "label_piece", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make()
    parts = sorted((make.folder / "out.csv.parts").glob("*.part"))
    assert len(parts) == 4
    parts[1].write_bytes(parts[1].read_bytes()[:-9])
    left[0] = 3  # six pieces, three of them kept
    make.said.clear()
    make()
    assert make.said[0].startswith("1 damaged parts")
    assert make.said[1].startswith("3 parts of 7 rows are there already")
    written = [make.folder / name for name in ("out.csv", "whole.csv")]
    assert written[0].read_bytes() == written[1].read_bytes()


def test_other_settings_are_refused_unless_told_to_replace(make):
    make()
    with pytest.raises(StorageError, match="other settings: chunk_rows differ"):
        make(chunk_rows=8)
    assert make(chunk_rows=8, overwrite=True)["rows"] == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,words\n1,a\n", "no column 'text'"),
        ("text,predicted\na,b\n", "column 'predicted' already"),
        ("text\n", "has no rows"),
        ("text\n" + "a\n" * 9 + '" "\n', "from row 7 on.*index 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(make, content, message):
    (make.folder / "bad.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        make(data=str(make.folder / "bad.csv"))
    assert not (make.folder / "out.csv").exists()


def test_jobs_that_make_no_sense_are_refused(make):
    with pytest.raises(InputError, match="no file 'none.csv'"):
        make(data="none.csv")
    with pytest.raises(ConfigError, match="chunk_rows must be at least 1, got 0"):
        make(chunk_rows=0)
    with pytest.raises(ConfigError, match="processes is 3"):
        make(processes=3)


def test_the_input_is_never_replaced(make):
    data = make.folder / "in.csv"
    before = data.read_bytes()
    (make.folder / "link.csv").symlink_to(data)
    for output in ("in.csv", "link.csv"):
        for overwrite in (True, False):
            with pytest.raises(StorageError, match="would replace"):
                make(output, overwrite=overwrite)
    assert data.read_bytes() == before


TYPED = pa.table(
    {
        "text": [f"the parcel {i}\r\n" for i in range(9)],
        "big": pa.array([2**53 + 1, *[None] * 8]),
        "price": pa.array([decimal.Decimal("1.10")] * 9),
        "kind": pa.array([*"aabbccdde"]).dictionary_encode(),
        "small": pa.array([1, None] * 4 + [3], pa.uint8()),
        "part": pa.array([{"x": [1.5]}] * 9),
    }
)


def test_columns_of_parquet_keep_their_types(make, model):
    folder = make.folder
    pq.write_table(TYPED, folder / "typed.parquet")
    make("bulk.parquet", data=str(folder / "typed.parquet"), chunk_rows=2)
    arguments = ["predict", str(model), str(folder / "typed.parquet")]
    assert main([*arguments, "--output", str(folder / "small.parquet")]) == 0
    for name in ("bulk.parquet", "small.parquet"):
        written = pq.read_table(folder / name)
        assert written.drop(["predicted", "probability"]).equals(TYPED)


def test_fields_that_appear_late_are_copied(make):
    folder = make.folder
    lines = ['{"text":"the parcel","n":1.50}', '{"text":"help"}', '{"text":"box","late":[1]}']
    (folder / "in.jsonl").write_text("".join(line + "\n" for line in lines))
    make("out.jsonl", data=str(folder / "in.jsonl"), chunk_rows=1)
    written = (folder / "out.jsonl").read_text().splitlines()
    assert [line.partition(',"predicted"')[0] for line in written] == [s[:-1] for s in lines]
    make("late.csv", data=str(folder / "in.jsonl"), chunk_rows=1)
    assert read_table(folder / "late.csv")["late"].tolist() == ["", "", "[1]"]


def test_an_output_in_the_folder_of_the_model_is_refused(make, model):
    with pytest.raises(StorageError, match="is in the folder of the model"):
        make("m/out.csv")
    assert len(TextClassifier.load(model).predict(["a text"])) == 1

import csv
import sys
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from nlptl.base.errors import ConfigError, InputError, IntegrityError
from nlptl.data.tables.reading import read_table
from nlptl.data.tables.writing import table_format

FIRST = pd.DataFrame({"n": [1, 2], "text": ["a, b", "c\n"], "kind": pd.Categorical(["x", "y"])})
MORE = pd.DataFrame({"n": [None, 4.5], "text": [None, "é"], "kind": pd.Categorical(["y", "z"])})


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "T.PARQUET"])
def test_pieces_join_to_one_file_that_reads_back(tmp_path, name):
    kind, path = table_format(name), tmp_path / name
    pieces = [tmp_path / "0", tmp_path / "1"]
    pieces[0].write_bytes(kind.encode(FIRST))
    pieces[1].write_bytes(kind.encode_more(MORE))
    with path.open("wb") as file:
        kind.join(pieces, file)
    found = read_table(path)
    assert [float(n) if n else None for n in found["n"].fillna(0)] == [1, 2, None, 4.5]
    assert found["text"].fillna("").tolist() == ["a, b", "c\n", "", "é"]
    assert found["kind"].tolist() == ["x", "y", "y", "z"]
    assert found.columns.tolist() == ["n", "text", "kind"]


def test_a_piece_without_a_value_takes_the_type_of_the_others(tmp_path):
    kind = table_format("t.parquet")
    pieces = [tmp_path / "0", tmp_path / "1"]
    pieces[0].write_bytes(kind.encode(pd.DataFrame({"n": [None, None]}, dtype=object)))
    pieces[1].write_bytes(kind.encode_more(pd.DataFrame({"n": [3, None]}, dtype=object)))
    with (tmp_path / "t.parquet").open("wb") as file:
        kind.join(pieces, file)
    assert pq.read_table(tmp_path / "t.parquet")["n"].to_pylist() == [None, None, 3, None]


def test_another_ending_is_refused_with_those_known():
    with pytest.raises(ConfigError, match=r"Cannot write 't.xlsx'.*Known: .csv, .jsonl"):
        table_format("t.xlsx")


NASTY = ["a\rb", "c\r", "\r\n", "\n", '"', '"x', 'y"', "a\tb\nc", "a,b\nc,d\ne", "\u2028", ""]
if sys.version_info >= (3, 11):  # csv of Python 3.10 refuses this character
    NASTY.insert(0, "\0")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("names", [["text"], ["text", "id"], ["id", "a\tb,c", "text"]])
def test_rows_that_are_written_are_the_rows_that_are_read(tmp_path, ending, names):
    path = tmp_path / f"t{ending}"
    texts = NASTY if len(names) > 1 or ending in (".jsonl", ".parquet") else NASTY[:-1]
    for some in ([text] for text in texts):
        table = pd.DataFrame(dict.fromkeys(names, some))
        path.write_bytes(table_format(path).encode(table))
        assert read_table(path).to_numpy().tolist() == table.to_numpy().tolist()
    table = pd.DataFrame(dict.fromkeys(names, texts))
    path.write_bytes(table_format(path).encode(table))
    assert read_table(path).to_numpy().tolist() == table.to_numpy().tolist()


def test_what_the_python_cannot_write_as_csv_is_refused(monkeypatch):
    def refusing(*_, **__):
        raise csv.Error("need to escape, but no escapechar set")

    monkeypatch.setattr(csv, "writer", lambda *_, **__: SimpleNamespace(writerow=refusing))
    with pytest.raises(InputError, match=r"cannot write a row as csv.*Write \.jsonl"):
        table_format("t.csv").encode(pd.DataFrame({"text": ["a\0b"]}))


def test_another_number_of_rows_is_an_error():
    kind = replace(table_format("t.csv"), write=lambda sheet, header: b"n\n1\n")
    with pytest.raises(IntegrityError, match="2 rows became 1 rows of a .csv file"):
        kind.encode(FIRST)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_half_a_character_is_refused_with_its_place(name):
    table = pd.DataFrame({"a": ["x", "\ud83d"]}, dtype=object)
    with pytest.raises(InputError, match="'a' holds half of a character .*in data row 2 of 2"):
        table_format(name).encode(table)


def test_two_columns_of_one_name_are_refused_where_there_can_be_one():
    table = pd.DataFrame([["a", "b"]], columns=["n", "n"])
    assert table_format("t.csv").encode(table) == b"n,n\na,b\n"
    for name in ("t.jsonl", "t.parquet"):
        with pytest.raises(InputError, match="2 columns are called 'n'"):
            table_format(name).encode(table)


def test_pieces_whose_types_do_not_go_together_are_refused(tmp_path):
    kind = table_format("t.parquet")
    (tmp_path / "0").write_bytes(kind.encode(pd.DataFrame({"n": [1]})))
    (tmp_path / "1").write_bytes(kind.encode_more(pd.DataFrame({"n": ["a"]})))
    with (
        (tmp_path / "t.parquet").open("wb") as file,
        pytest.raises(InputError, match="cannot hold"),
    ):
        kind.join([tmp_path / "0", tmp_path / "1"], file)


def test_short_floats_keep_their_digits():
    table = pd.DataFrame({"n": [0.1, None]}, dtype="float32")
    assert table_format("t.csv").encode(table) == b'n\n0.1\n""\n'
    assert table_format("t.jsonl").encode(table) == b'{"n":0.1}\n{"n":null}\n'


def test_cells_longer_than_the_limit_of_python_are_written(tmp_path):
    kind, pieces, path = table_format("t.csv"), [tmp_path / "0"], tmp_path / "t.csv"
    limit = csv.field_size_limit(131_072)
    try:
        pieces[0].write_bytes(kind.encode(pd.DataFrame({"text": ["word " * 40_000]})))
        with path.open("wb") as file:
            assert kind.join(pieces, file) is not False
    finally:
        csv.field_size_limit(limit)
    assert len(read_table(path)["text"][0]) == 200_000

import pandas as pd
import pyarrow.parquet as pq
import pytest

from nlptl.base.errors import ConfigError
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

import datetime as dt
import sys
import warnings

import pandas as pd
import pytest

from nlptl.base.errors import ConfigError, InputError
from nlptl.data.tables.file_readers import READERS, named_problems, reader_of
from nlptl.data.tables.reading import read_sheets, read_table
from nlptl.data.tables.text_source import ending_of

DAY = dt.datetime(2024, 1, 1)
CELLS = {
    "text": ["NA", "null", "", "007"],
    "stars": [1, 2.5, True, ""],
    "day": [DAY, "", DAY, DAY],
}


def workbook(path, **sheets):
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name, table in sheets.items():
            table.to_excel(writer, sheet_name=name, index=False)
    return path


def test_the_first_sheet_of_a_workbook_is_read_with_its_types(tmp_path):
    first, second = pd.DataFrame(CELLS, dtype=object), pd.DataFrame({"other": ["x"]})
    table = read_table(workbook(tmp_path / "t.XLSX", first=first, second=second))
    assert table.columns.tolist() == ["text", "stars", "day"]
    assert {name: table[name].tolist() for name in table} == CELLS


def test_a_workbook_keeps_names_twice_and_skips_blank_lines(tmp_path):
    table = pd.DataFrame([["a", "b"], ["", ""], ["c", ""]], columns=["text", "text"])
    read = read_table(workbook(tmp_path / "t.xlsx", only=table))
    assert read.columns.tolist() == ["text", "text"]
    assert read.to_numpy().tolist() == [["a", "b"], ["c", ""]]


def test_a_workbook_is_read_in_pieces(tmp_path):
    table = pd.DataFrame({"text": list("abcde")})
    pieces = list(read_sheets(workbook(tmp_path / "t.xlsx", only=table), rows=2))
    assert [piece.frame["text"].tolist() for piece in pieces] == [["a", "b"], ["c", "d"], ["e"]]


def test_a_workbook_that_is_empty_or_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"No columns in '.*t\.xlsx': its first sheet is empty"):
        read_table(workbook(tmp_path / "t.xlsx", only=pd.DataFrame()))
    (tmp_path / "text.xlsx").write_bytes(b"text,label\n")
    with pytest.raises(InputError, match=r"text\.xlsx': it is not an Excel workbook"):
        read_table(tmp_path / "text.xlsx")


def test_without_openpyxl_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = workbook(tmp_path / "t.xlsx", only=pd.DataFrame(CELLS))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r"needs openpyxl.*pip install 'nlptl\[xlsx\]'"):
        read_table(path)


def test_remarks_of_openpyxl_are_not_shown(tmp_path, monkeypatch):
    path = workbook(tmp_path / "t.xlsx", only=pd.DataFrame(CELLS))
    read = pd.read_excel

    def remark(*arguments, **options):
        warnings.warn("Data Validation extension is not supported", stacklevel=1)
        return read(*arguments, **options)

    monkeypatch.setattr(pd, "read_excel", remark)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_table(path)) == 4


def test_a_reader_is_chosen_by_the_ending(tmp_path):
    for name in ("t.csv", "t.tsv.gz", "t.JSONL", "t.parquet", "t.xlsx"):
        assert reader_of(tmp_path / name) is READERS[ending_of(tmp_path / name)]
    with pytest.raises(InputError, match=r"\.xls is not a kind of table.*\.parquet, \.xlsx"):
        reader_of(tmp_path / "t.xls")


def test_problems_are_named_and_those_of_nlptl_are_kept():
    with pytest.raises(InputError, match="Cannot read 'a.csv': too long. Repair"):
        with named_problems("'a.csv'"):
            raise ValueError("too\nlong")
    with pytest.raises(ConfigError, match="^as it is$"):
        with named_problems("'a.csv'"):
            raise ConfigError("as it is")
    with pytest.raises(InputError, match="'a.csv' is not UTF-8: byte 0xe9.*encoding='cp1252'"):
        with named_problems("'a.csv'"):
            b"caf\xe9".decode()
    with pytest.raises(InputError, match="'a.csv' is not ascii: byte 0xe9"):
        with named_problems("'a.csv'", "ascii"):
            b"caf\xe9".decode("ascii")

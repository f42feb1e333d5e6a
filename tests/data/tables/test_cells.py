import datetime as dt
import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nlptl.base.errors import InputError
from nlptl.data.tables.cells import arrow_cells, blank_rows, cell_text, is_blank, json_line


@pytest.mark.parametrize("cell", ["", " \t", None, float("nan"), pd.NA, pd.NaT, ["a", ""], [None]])
def test_missing_cells_and_white_space_are_blank(cell):
    assert is_blank(cell)


@pytest.mark.parametrize("cell", ["NA", "0", 0, False, [], 0.0, ("a", "b")])
def test_other_cells_are_not_blank(cell):
    assert not is_blank(cell)


def test_a_line_of_json_holds_what_tables_hold():
    fields = {
        "text": "é",
        "n": 2**64,
        "none": float("nan"),
        "when": dt.date(2024, 5, 1),
        "price": decimal.Decimal("1.10"),
        "many": np.array([1.5, float("nan")]),
        "gone": pd.NaT,
    }
    line = json_line(fields)
    assert "é" in line and "\n" not in line
    assert json.loads(line) == {
        "text": "é",
        "n": 2**64,
        "none": None,
        "when": "2024-05-01",
        "price": "1.10",
        "many": [1.5, None],
        "gone": None,
    }
    with pytest.raises(InputError, match="'x' holds inf, and JSON has no infinite"):
        json_line({"x": float("inf")})


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("NA", "NA"),
        (None, ""),
        (float("nan"), ""),
        (2**53 + 1, "9007199254740993"),
        (0.1, "0.1"),
        (True, "True"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        (b"abc", "abc"),
        (b"\xff", "/w=="),
        (dt.date(2024, 5, 1), "2024-05-01"),
    ],
)
def test_cells_of_csv_files_are_plain_text(cell, text):
    assert cell_text(cell) == text


def test_cells_of_several_types_become_text_in_arrow():
    assert arrow_cells([1, None, 3]).type == pa.int64()
    assert arrow_cells([1, "a", None, [2]]).to_pylist() == ["1", "a", None, "[2]"]
    assert arrow_cells([2**70, 1]).to_pylist() == [str(2**70), "1"]


def test_blank_rows_are_numbered():
    assert blank_rows(["a", " ", None, ["b", ""], 0]) == [1, 2, 3]


@pytest.mark.parametrize("unit", ["ns", "us", "D"])
def test_dates_inside_lists_stay_dates(unit):
    dates = np.array(["2024-01-01"], f"datetime64[{unit}]")
    assert "2024-01-01" in json_line({"t": dates}) and "2024-01-01" in json_line({"t": dates[0]})

import pandas as pd
import pyarrow as pa
import pytest

from nlptl.data.tables.sheet import Sheet, joined

FRAME = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})


def test_lines_keep_every_digit_and_get_new_fields():
    sheet = Sheet(FRAME, ['{"text":"a", "n": 1.50}', "{ }"])
    after = sheet.with_columns({"label": ["é", "y"], "p": [0.5, 1]})
    assert after.lines == [
        '{"text":"a", "n": 1.50,"label":"é","p":0.5}',
        '{"label":"y","p":1}',
    ]
    before = sheet.with_columns({"row": [7, 8]}, first=True)
    assert before.lines == ['{"row":7,"text":"a", "n": 1.50}', '{"row":8}']
    assert before.frame.columns.tolist() == ["row", "text", "n"]
    assert before.take([1]).lines == ['{"row":8}']


def test_arrow_columns_keep_their_types():
    arrow = pa.table({"text": ["a", "b"], "n": pa.array([1, None], pa.uint8())})
    sheet = Sheet(FRAME, arrow=arrow).with_columns({"one": [1, 2], "two": ["x", "y"]}, first=True)
    assert sheet.arrow.column_names == ["one", "two", "text", "n"]
    assert sheet.arrow.schema.field("n").type == pa.uint8()
    assert sheet.take([1]).arrow["n"].to_pylist() == [None]
    assert len(sheet.take([1])) == 1


def test_new_columns_need_a_cell_for_every_row():
    with pytest.raises(ValueError, match="length"):
        Sheet(FRAME).with_columns({"label": ["x"]})


def test_tables_are_joined_and_keep_the_cells_of_their_files():
    first, second = Sheet(FRAME, lines=["{}", "{ }"]), Sheet(FRAME[:1], lines=["{  }"])
    assert joined([first, second]).lines == ["{}", "{ }", "{  }"]
    assert joined([first, second]).frame.index.tolist() == [0, 1, 2]
    assert joined([first]) is first
    narrow, wide = (pa.table({"n": pa.array([1], kind)}) for kind in (pa.int8(), pa.int64()))
    both = joined([Sheet(FRAME[:1], arrow=narrow), Sheet(FRAME[:1], arrow=wide)])
    assert both.arrow.schema.field("n").type == pa.int64()
    mixed = joined([first, Sheet(FRAME[:1], arrow=narrow)])
    assert mixed.lines is None and mixed.arrow is None and len(mixed) == 3

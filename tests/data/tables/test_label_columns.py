import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.data.tables.label_columns import check_filled, labels_of
from nlptl.data.tables.reading import filled_rows, read_table


def test_numbers_are_read_as_files_write_them():
    table = pd.DataFrame({"n": ["1", "2.5e1"], "k": ["a", "b"], "i": ["inf", "1"]})
    assert labels_of(table, "n", numeric=True) == [1.0, 25.0]
    assert labels_of(table, "n", numeric=False) == ["1", "2.5e1"]
    with pytest.raises(InputError, match="'k' holds 'a' at data row 1, which is not a number"):
        labels_of(table, "k", numeric=True)
    with pytest.raises(InputError, match="'i' holds 'inf' at data row 1, which is not finite"):
        labels_of(table, "i", numeric=True)


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("blank", ["", " ", None, float("nan")])
def test_a_blank_label_is_refused_with_its_row(blank, numeric):
    table = pd.DataFrame({"label": ["1", blank, "2", blank]}, dtype=object)
    with pytest.raises(InputError, match="2 of 4 rows have no label.*data row 2 .*--drop-blank"):
        labels_of(table, "label", numeric=numeric)


def test_a_blank_label_in_a_list_is_refused_and_an_empty_list_is_not():
    lists = pd.DataFrame({"label": [["a"], [], np.array(["b", "c"])]})
    assert labels_of(lists, "label", numeric=False) == [["a"], [], ["b", "c"]]
    with pytest.raises(InputError, match="data row 1"):
        labels_of(pd.DataFrame({"label": [["a", " "]]}), "label", numeric=False)


def test_a_blank_text_is_refused_like_a_blank_label():
    table = pd.DataFrame({"text": ["a", " ", None]})
    with pytest.raises(InputError, match="2 of 3 rows have no text in column 'text'.*data row 2 "):
        check_filled(table, "text", "text")
    check_filled(table[:1], "text", "text")


FILES = {
    "t.csv": "text,label\ngood,a\nshort\nbad, \nfine,b\n",
    "t.tsv": "text\tlabel\ngood\ta\nshort\nbad\t\nfine\tb\n",
    "t.jsonl": '{"text":"good","label":"a"}\n{"text":"short"}\n{"text":"bad","label":null}\n'
    '{"text":"fine","label":"b"}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_named_and_its_blank_rows_can_be_left_out(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name])
    table = read_table(path)
    with pytest.raises(InputError, match=f"2 of 4 rows in '.*{name}'.*data row 2 "):
        labels_of(table, "label", numeric=False)
    assert labels_of(filled_rows(table, ["text", "label"]), "label", numeric=False) == ["a", "b"]
    with pytest.warns(UserWarning, match=r"2 of 4 rows in '.*' are blank and were dropped"):
        table = read_table(path, drop_blank=["label"])
    assert table["text"].tolist() == ["good", "fine"]


def test_rows_keep_their_numbers_where_others_are_left_out():
    table = filled_rows(pd.DataFrame({"text": ["", "a"], "n": ["1", "x"]}), ["text"])
    with pytest.raises(InputError, match="'x' at data row 2"):
        labels_of(table, "n", numeric=True)

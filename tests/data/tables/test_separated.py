import csv
import sys
from pathlib import Path

import pytest

from nlptl.base.errors import InputError
from nlptl.data.tables.separated import dialect_of, open_text, rows_of
from nlptl.data.tables.text_source import TextSource


@pytest.fixture
def read(tmp_path):
    def start(content, name="t.csv"):
        path = Path(tmp_path, name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        source = TextSource.of_file(path)
        return list(rows_of(source, dialect_of(source, "\t" if name.endswith("tsv") else ",")))

    return start


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_the_header_shows_the_separator(read, separator, name):
    rows = [["text", "label"], ["well. fine", "a"], ["so", "b"]]
    assert read("".join(separator.join(row) + "\n" for row in rows), name) == rows


def test_a_semicolon_in_a_name_is_no_separator_where_the_rows_have_none(read):
    assert read("this; that\none\ntwo\n") == [["this; that"], ["one"], ["two"]]
    assert read("a,b;c\n1,2\n") == [["a", "b;c"], ["1", "2"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_every_line_end_is_read(read, end):
    assert read(end.join(["text,label", "one,a", '"two, 2",b', ""])) == [
        ["text", "label"],
        ["one", "a"],
        ["two, 2", "b"],
    ]


def test_carriage_returns_within_cells_end_no_row(read):
    content = 'text,label\none\rmore,a\n"two\rand\r\nthree",b\nfour\u2028\x85,c\n'
    wanted = ["one\rmore", "two\rand\r\nthree", "four\u2028\x85"]
    assert [row[0] for row in read(content)[1:]] == wanted
    assert read("text,label\none\rmore,a\n")[1] == ["one\rmore", "a"]


def test_a_character_that_the_python_cannot_read_is_named(read, monkeypatch):
    def refusing(*_, **__):
        raise csv.Error("line contains NUL")

    if sys.version_info >= (3, 11):
        assert read('text,label\n"a\0b",c\n')[1] == ["a\0b", "c"]
        monkeypatch.setattr(csv, "reader", refusing)
    with pytest.raises(InputError, match="line contains NUL. Remove the NUL characters"):
        read('text,label\n"a\0b",c\n')


@pytest.mark.parametrize(
    "texts",
    [
        ['"never again', "boring", "fine"],
        ["fine", 'long and dull"'],
        ['"Great" film', '5" long', '"so so"'],
        ['"one', '"two', "three"],
    ],
)
def test_marks_of_a_tsv_file_that_do_not_pair_up_belong_to_the_texts(read, texts):
    rows = read("text\tlabel\n" + "".join(f"{text}\tx\n" for text in texts), "t.tsv")
    assert [row[0] for row in rows[1:]] == texts


def test_marks_that_can_be_read_in_two_ways_are_refused_with_both(read):
    lines = ['"never again', "boring", 'long and dull"', "sweet"]
    with pytest.raises(InputError, match="data row 1, .*has 2 rows.*has 4 rows.*header line"):
        read("text\tlabel\n" + "".join(f"{line}\tx\n" for line in lines), "t.tsv")
    with pytest.raises(InputError, match="can be read in two ways"):
        read("text\n" + "\n".join(lines), "t.tsv")
    with pytest.raises(InputError, match="can be read in two ways"):
        read("text,label\n" + "".join(f"{line},x\n" for line in lines))


def test_marks_around_the_names_or_all_cells_of_a_row_settle_it(read):
    rows = [["text", "label"], ["a\tb\nc", "x"], ["d", "y"]]
    assert read('"text"\tlabel\n"a\tb\nc"\tx\nd\ty\n', "t.tsv") == rows
    assert read('text\tlabel\n"a\tb\nc"\t"x"\nd\ty\n', "t.tsv") == rows


@pytest.mark.parametrize("text", ["Dear all,\nthanks, bye\nJo", "Dear,\nnice\nbye", "a,b\nc"])
def test_texts_of_several_lines_in_a_csv_file_are_one_row(read, text):
    assert read(f'text,label\n"{text}",x\nb,y\n')[1] == [text, "x"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (r'"she said \"hi, you\" twice",x', "escaped by a backslash"),
        ('"never again,x', "end of data"),
        ('"Great" film,x', "expected after"),
    ],
)
def test_marks_of_a_csv_file_that_do_not_pair_up_are_refused_with_row_and_separator(
    read, row, reason
):
    with pytest.raises(InputError, match=f"data row 2 of .* with ',' between.*{reason}"):
        read(f"text,label\nfine,y\n{row}\nfine,y\n")


def test_a_cell_may_be_longer_than_the_limit_of_python(read):
    text = "a" * 200_000
    assert read(f'text,label\n"{text}",x\n')[1] == [text, "x"]
    assert csv.field_size_limit() > 200_000


def test_quotation_marks_of_wide_characters_are_noticed(read):
    content = 'text,label\n"a, b",x\n'
    assert read(content.encode("utf-16")) == [["text", "label"], ["a, b", "x"]]


def test_a_byte_order_mark_is_no_part_of_the_first_name(read, tmp_path):
    assert read("\ufefftext,label\na,b\n")[0] == ["text", "label"]
    assert read('\ufeff"text","label"\na,b\n')[0] == ["text", "label"]
    with open_text(tmp_path / "t.csv") as file:
        assert file.read(1) == '"'

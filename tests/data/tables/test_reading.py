import datetime as dt
import decimal
import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nlptl.base.errors import InputError
from nlptl.data.tables.reading import (
    column,
    read_sheet,
    read_sheets,
    read_table,
    sheet_of_bytes,
    texts_of,
)

TABLE = pd.DataFrame({"text": ["NA", "a,b\nc"], "label": ["1", "null"]})


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz", "T.CSV"])
def test_every_kind_of_file_gives_back_what_was_written(tmp_path, name):
    path = tmp_path / name
    writers = {
        "csv": lambda: TABLE.to_csv(path, index=False),
        "tsv": lambda: TABLE.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: TABLE.to_json(path, orient="records", lines=True),
        "parquet": lambda: TABLE.to_parquet(path),
    }
    writers[name.split(".")[1].lower()]()
    found = read_table(path)
    assert found["text"].tolist() == TABLE["text"].tolist()
    assert found["label"].tolist() == ["1", "null"]


def test_a_folder_of_datasets_gives_names_for_class_numbers(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    one = Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    one.save_to_disk(tmp_path / "one")
    assert read_table(tmp_path / "one")["label"].tolist() == ["yes", "no"]
    DatasetDict(train=one, test=one.select([0])).save_to_disk(tmp_path / "two")
    assert len(read_table(tmp_path / "two", split="test")) == 1
    with pytest.raises(InputError, match="several splits, got split=None. Known: test, train"):
        read_table(tmp_path / "two")


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"text,label\na,b,c,d\n", r"more fields than the header"),
        ("a.csv", b"", "No columns"),
        ("a.csv", b"text,label\ncaf\xe9,x\n", r"not UTF-8: byte 0xe9 at position"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"Cannot read '.*a\.jsonl'"),
        ("a.parquet", b"nonsense", r"Cannot read '.*a\.parquet'"),
        ("a.xls", b"PK", r"\.xls is not a kind of table that nlptl reads"),
        ("noending", b"x", "no ending is not a kind"),
        ("a.csv.gz", gzip.compress(b"text\na\n", mtime=0)[:-9], "Cannot read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, content, said):
    with pytest.raises(InputError, match=said):
        read_table(write(tmp_path / name, content))


def test_a_missing_file_and_an_unknown_data_set_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="There is no file 'nothing.csv'"):
        read_table("nothing.csv")
    with pytest.raises(InputError, match="data set 'someone/something'.*nor reachable on the Hub"):
        read_table("someone/something")
    with pytest.raises(InputError, match="data set 'someone/reviews-2.5'.*nor reachable"):
        read_table("someone/reviews-2.5")
    with pytest.raises(InputError, match="There is no file 'someone/reviews.csv.gz'"):
        read_table("someone/reviews.csv.gz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder' holds no table.*example train\.csv"):
        read_table(tmp_path / "folder")
    (tmp_path / "folder" / "state.json").write_text("{}")
    with pytest.raises(InputError, match="Cannot read data set '.*folder'"):
        read_table(tmp_path / "folder")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_plain_folder_has_the_splits_in_its_file_names(tmp_path, kind):
    def save(table, name):
        path = tmp_path / f"{name}.{kind}"
        writers = {
            "csv": lambda: table.to_csv(path, index=False),
            "jsonl": lambda: table.to_json(path, orient="records", lines=True),
            "parquet": lambda: table.to_parquet(path),
        }
        writers[kind]()

    save(TABLE, "train-1")
    save(TABLE[::-1], "train-2")
    save(TABLE[:1], "test")
    train = read_sheet(tmp_path, split="train")
    assert train.frame["text"].tolist() == ["NA", "a,b\nc", "a,b\nc", "NA"]
    assert train.frame.index.tolist() == [0, 1, 2, 3]
    assert (train.lines is not None) == (kind == "jsonl")
    assert (train.arrow is not None) == (kind == "parquet")
    assert len(read_table(tmp_path, split="test")) == 1
    with pytest.raises(InputError, match="several splits, got split=None. Known: test, train"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="no such split, got split='tset'. Did you mean 'test'"):
        read_table(tmp_path, split="tset")


def test_a_folder_with_one_table_needs_no_split_and_messages_name_the_file(tmp_path):
    write(tmp_path / "reviews.csv", b"text,label\na,b\n")
    write(tmp_path / "reviews.py", b"raise SystemExit")
    with pytest.raises(InputError, match=r"no column 'txt' in '.*reviews\.csv'"):
        column(read_table(tmp_path), "txt")
    write(tmp_path / "more.csv", b"label,text\nc,d\n")
    table = read_table(tmp_path)
    assert table["text"].tolist() == ["d", "a"]
    with pytest.raises(InputError, match=f"no column 'txt' in '{tmp_path}'"):
        column(table, "txt")


def test_files_of_one_split_with_different_columns_are_refused(tmp_path):
    write(tmp_path / "a.csv", b"text,label\na,b\n")
    write(tmp_path / "b.jsonl", b'{"text": "a", "stars": 5}\n')
    with pytest.raises(InputError, match=r"same columns, got \['text', 'label'\] in .*b\.jsonl"):
        read_table(tmp_path)


def test_the_encoding_of_files_can_be_set(tmp_path):
    content = "text;label\ncafé;x\n".encode("cp1252")
    path = write(tmp_path / "t.csv", content)
    with pytest.raises(InputError, match="encoding='cp1252'"):
        read_table(path)
    for source in (path, tmp_path):
        assert read_table(source, encoding="cp1252")["text"].tolist() == ["café"]
    assert sheet_of_bytes(content, "it", encoding="cp1252").frame["text"].tolist() == ["café"]
    lines = write(tmp_path / "t.jsonl", '{"text": "café"}\n'.encode("cp1252"))
    assert read_table(lines, encoding="cp1252")["text"].tolist() == ["café"]


@pytest.mark.parametrize(
    "content",
    [
        "text,label\ncafé,x\n",
        "text\tlabel\ncafé\tx\n",
        '\n{"text": "café", "label": "x"}\n',
        "\ufefftext;label\r\ncafé;x\r\n",
    ],
)
def test_a_table_in_memory_shows_its_kind(content):
    sheet = sheet_of_bytes(content.encode(), "standard input")
    assert sheet.frame.to_dict("list") == {"text": ["café"], "label": ["x"]}
    assert (sheet.lines is not None) == ("{" in content)
    with pytest.raises(InputError, match="no column 'txt' in standard input"):
        column(sheet.frame, "txt")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "No columns in standard input: it is empty"),
        (b"text\ncaf\xe9\n", "standard input is not UTF-8"),
        (b'{"text": "a"}\n{"text"\n', "Cannot read standard input: line 2 is not JSON"),
        (b'text,n\n"a,b\n', "data row 1 of standard input"),
    ],
)
def test_a_table_in_memory_that_cannot_be_read_is_named(content, reason):
    with pytest.raises(InputError, match=reason):
        sheet_of_bytes(content, "standard input")


def test_an_unknown_column_suggests_the_nearest():
    assert column(TABLE, "label") == ["1", "null"]
    with pytest.raises(InputError, match="no column 'lable'. Did you mean 'label'"):
        column(TABLE, "lable")


def test_rows_without_a_class_and_columns_of_one_name(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = Dataset.from_dict({"text": list("abc"), "label": [1, -1, None]}, features=features)
    rows.save_to_disk(tmp_path / "test")
    found = column(read_table(tmp_path / "test"), "label")
    assert found[0] == "yes" and pd.isna(found[1]) and pd.isna(found[2])
    twice = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        column(twice, "text")


def test_one_column_gives_texts_and_two_give_pairs():
    table = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]})
    assert list(texts_of(table, ["a"])) == ["x", "y"]
    assert list(texts_of(table, ["a", "b"])) == [("x", "u"), ("y", "v")]
    with pytest.raises(InputError, match="no column 'c'"):
        texts_of(table, ["c"])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz"])
@pytest.mark.parametrize("rows", [1, 4, 10, 11])
def test_pieces_have_the_rows_asked_for_and_join_to_the_whole(tmp_path, kind, rows):
    path = tmp_path / f"t.{kind}"
    table = pd.DataFrame({"id": range(10), "text": [f'a "{i}",\nb' for i in range(10)]})
    writers = {
        "csv": lambda: table.to_csv(path, index=False),
        "tsv": lambda: table.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
        "parquet": lambda: table.to_parquet(path, row_group_size=3),
    }
    writers[kind.split(".")[0]]()
    pieces = [sheet.frame for sheet in read_sheets(path, rows=rows)]
    assert {len(piece) for piece in pieces[:-1]} <= {rows}
    whole = pd.concat(pieces)
    assert whole["text"].tolist() == table["text"].tolist()
    assert [int(i) for i in whole["id"]] == list(range(10))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_whole_number_stays_whole_beside_a_missing_one(tmp_path, kind):
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"n": [1, None, 3, 4]}), path)
    else:
        path.write_text('{"n": 1}\n{"n": null}\n\n{"n": 3}\n{"n": 4}\n')
    first, second = (sheet.frame for sheet in read_sheets(path, rows=2))
    assert first["n"].tolist() == [1, None] and isinstance(first["n"][0], int)
    assert second["n"].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"text,n\na,1\nb,2\nc,3,4\n", "more fields than the header|Expected 2 fields"),
        ("t.csv", b"text\na\nb\n\xff\n", "not UTF-8"),
        ("t.jsonl", b'{"a": 1}\n{"a": 2}\n[3]\n', "line 3 is not an object"),
        ("t.jsonl", b'{"a": 1}\n{"a": ', "Cannot read"),
        ("t.parquet", b"no parquet", "Cannot read"),
        ("t.xls", b"x", "'?.xls is not a kind of table"),
    ],
)
def test_a_piece_that_cannot_be_read_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_sheets(path, rows=2))
    with pytest.raises(InputError, match="no file"):
        next(read_sheets(tmp_path / "none.csv", rows=2))


LINES = (
    '\ufeff{"id": 9007199254740993, "text": "007", "on": "2024-01-01"}\n\n'
    '{"text": "half \\ud83d of it", "share": 0.12345678901234567}\n'
    '{"text": "NA", "id": null, "more": {"a": [1, null]}, "yes": true}\n'
)


@pytest.mark.parametrize("rows", [1, 2, 3, None])
def test_jsonl_is_read_as_json_whole_and_in_pieces(tmp_path, rows):
    path = write(tmp_path / "t.jsonl", LINES.encode())
    sheets = [read_sheet(path)] if rows is None else list(read_sheets(path, rows=rows))
    table = pd.concat([sheet.frame for sheet in sheets])
    assert table.columns.tolist() == ["id", "text", "on", "share", "more", "yes"]
    assert table["id"].tolist() == [9007199254740993, None, None]
    assert table["text"].tolist() == ["007", "half \ud83d of it", "NA"]
    assert table["more"].tolist() == [None, None, {"a": [1, None]}]
    assert [line for sheet in sheets for line in sheet.lines] == LINES[1:].split("\n")[:1] + [
        line for line in LINES[1:].split("\n")[1:] if line
    ]


def test_half_a_character_in_a_text_is_refused_with_the_file(tmp_path):
    path = write(tmp_path / "t.jsonl", LINES.encode())
    with pytest.raises(InputError, match=r"index 1 .*half of a character.*t\.jsonl"):
        texts_of(read_table(path), ["text"])


@pytest.mark.parametrize("index", ["id", None])
def test_an_index_of_pandas_is_a_column(tmp_path, index):
    table = pd.DataFrame({"text": ["good", "bad"]}, index=pd.Index(["a", "b"], name=index))
    table.to_parquet(tmp_path / "t.parquet")
    for found in (
        read_table(tmp_path / "t.parquet"),
        next(read_sheets(tmp_path / "t.parquet", rows=2)).frame,
    ):
        assert found[index or "__index_level_0__"].tolist() == ["a", "b"]
    table.reset_index(drop=True).to_parquet(tmp_path / "plain.parquet")
    assert read_table(tmp_path / "plain.parquet").columns.tolist() == ["text"]


def test_parquet_cells_keep_their_values(tmp_path):
    arrow = pa.table(
        {
            "big": pa.array([2**53 + 1, None]),
            "price": pa.array([decimal.Decimal("1.10"), None]),
            "day": pa.array([dt.date(2024, 1, 1), None]),
            "yes": pa.array([True, None]),
        }
    )
    pq.write_table(arrow, tmp_path / "t.parquet")
    sheet = read_sheet(tmp_path / "t.parquet")
    assert sheet.arrow.equals(arrow)
    assert sheet.frame["big"].tolist() == [2**53 + 1, None]
    pieces = [piece.arrow for piece in read_sheets(tmp_path / "t.parquet", rows=1)]
    assert pa.concat_tables(pieces).equals(arrow)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "text,label\n", "no rows in '.*t.csv'"),
        ("t.jsonl", "", "no rows in '.*t.jsonl'"),
        ("t.csv", "words;kind\na;b\n", "no column 'text' in '.*t.csv'.*read with ';'"),
        ("t.csv", "text,text\na,b\n", "2 columns are called 'text' in '.*t.csv'"),
        ("t.csv", "text\n \n", "are empty.*t.csv"),
    ],
)
def test_the_file_is_named_where_its_texts_cannot_be_used(tmp_path, name, content, message):
    path = write(tmp_path / name, content.encode())
    with pytest.raises(InputError, match=message):
        texts_of(read_table(path), ["text"])


def test_names_of_columns_are_as_written(tmp_path):
    path = write(tmp_path / "t.csv", b",text,n,n\n0,a\n")
    table = read_table(path)
    assert table.columns.tolist() == ["", "text", "n", "n"]
    assert table.iloc[0].tolist() == ["0", "a", None, None]

import gzip

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nlptl.base.errors import InputError
from nlptl.data.reading import column, read_table

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
        ("a.xlsx", b"PK", r"\.xlsx is not a kind of table known here"),
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
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path / "folder")


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

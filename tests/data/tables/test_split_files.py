from pathlib import Path

import pytest
from datasets import load_dataset

from nlptl.data.tables.split_files import files_by_split

ENDINGS = {".csv", ".parquet"}


def folder_of(folder, *names):
    for number, name in enumerate(names):
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text,label\n" + "a,b\n" * (number + 1))
    return folder


def names_in(folder):
    splits = files_by_split(folder, ENDINGS)
    return {
        split: [path.relative_to(folder).as_posix() for path in paths]
        for split, paths in splits.items()
    }


LAYOUTS = [
    ("train.csv", "test.csv"),
    ("train.csv", "dev.csv", "eval.csv", "notes.csv"),
    ("reviews.csv",),
    ("b.csv", "a.csv"),
    ("data/train-00000-of-00002.csv", "data/train-00001-of-00002.csv"),
    ("data/unsupervised-00000-of-00001.csv", "data/train-00000-of-00001.csv"),
    ("training/a.csv", "training/b.csv", "test/a.csv"),
    ("my_train_1.csv", "my-test.csv"),
    ("trainers.csv",),
]


@pytest.mark.parametrize("names", LAYOUTS, ids=" ".join)
def test_splits_and_rows_are_those_of_datasets(tmp_path, names):
    folder = folder_of(tmp_path / "data set", *names)
    expected = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    n_rows = {name: number + 1 for number, name in enumerate(names)}
    sizes = {
        split: sum(n_rows[name] for name in group) for split, group in names_in(folder).items()
    }
    assert sizes == {str(split): rows.num_rows for split, rows in expected.items()}


def test_other_files_hidden_files_and_code_are_left_out(tmp_path):
    others = ("README.md", ".hidden/train.csv", "._test.csv", "train.py", "__cache__/test.csv")
    assert names_in(folder_of(tmp_path / "a", "train.csv", *others)) == {"train": ["train.csv"]}
    assert names_in(folder_of(tmp_path / "b", *others)) == {}


def test_files_are_in_the_order_of_their_names(tmp_path):
    folder = folder_of(tmp_path, "train_2.csv", "train_1.csv", "test.csv")
    assert names_in(folder) == {"test": ["test.csv"], "train": ["train_1.csv", "train_2.csv"]}


def test_brackets_and_stars_in_the_name_of_a_folder_are_no_pattern(tmp_path):
    assert names_in(folder_of(tmp_path / "a[1] *", "train.csv")) == {"train": ["train.csv"]}

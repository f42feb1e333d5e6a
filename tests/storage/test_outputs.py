import os

import pytest

from nlptl.base.errors import StorageError
from nlptl.storage.outputs import check_output_file, check_output_folder, check_replaced


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\na\n")
    return path


def test_a_new_file_and_a_new_folder_are_allowed(tmp_path, table):
    check_output_file(tmp_path / "new.csv", inputs=(table, None, 3, "a/hub-name"), overwrite=False)
    check_output_folder(tmp_path / "new", inputs=(table,), overwrite=False)
    (tmp_path / "empty").mkdir()
    check_output_folder(tmp_path / "empty", overwrite=False)


def test_what_exists_is_replaced_only_if_asked_for(tmp_path, table):
    with pytest.raises(StorageError, match=r"exists already.*--overwrite"):
        check_output_file(table, overwrite=False)
    check_output_file(table, overwrite=True)
    with pytest.raises(StorageError, match=r"not empty.*--overwrite"):
        check_output_folder(tmp_path, overwrite=False)
    check_output_folder(tmp_path, overwrite=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_an_input_is_never_replaced_by_whatever_name(tmp_path, table, overwrite):
    (tmp_path / "other").mkdir()
    (tmp_path / "link.csv").symlink_to(table)
    os.link(table, tmp_path / "hard.csv")
    names = ["rows.csv", "other/../rows.csv", "link.csv", "hard.csv"]
    for name in names:
        with pytest.raises(StorageError, match="would replace"):
            check_output_file(tmp_path / name, inputs=(str(table),), overwrite=overwrite)
    with pytest.raises(StorageError, match="would replace"):
        check_output_folder(tmp_path, inputs=(table,), overwrite=overwrite)
    check_output_folder(tmp_path / "other", inputs=(table,), overwrite=overwrite)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path, table):
    with pytest.raises(StorageError, match="is a folder"):
        check_output_file(tmp_path, overwrite=True)
    with pytest.raises(StorageError, match="is a file"):
        check_output_folder(table, overwrite=True)


def test_values_that_are_no_paths_are_passed_over(tmp_path, table):
    check_output_file(table, inputs=("x" * 5000, "a\0b", ""), overwrite=True)


def test_a_folder_with_files_that_would_be_lost_is_not_replaced(tmp_path):
    draft, target = tmp_path / "draft", tmp_path / "target"
    draft.mkdir()
    (draft / "config.json").touch()
    check_replaced(target, draft)
    target.mkdir()
    (target / "config.json").touch()
    check_replaced(target, draft)
    (target / "notes.txt").touch()
    with pytest.raises(StorageError, match="also holds 'notes.txt', which would be lost"):
        check_replaced(target, draft)


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "draft").mkdir()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="is a file"):
        check_replaced(tmp_path / "thesis.txt", tmp_path / "draft")

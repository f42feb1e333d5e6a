import json

import pytest

from nlptl.base.errors import StorageError
from nlptl.storage.machine_choices import read_choices, record_choice


def test_choices_of_several_machines_stand_side_by_side(tmp_path):
    path = tmp_path / "new" / "choices.json"
    record_choice(path, "first", "torch")
    record_choice(path, "second", {"backend": "onnx"})
    record_choice(path, "first", "onnx")
    assert read_choices(path) == {"first": "onnx", "second": {"backend": "onnx"}}
    assert json.loads(path.read_text()) == read_choices(path)


@pytest.mark.parametrize("content", ["", "[1, 2]", "null", "[" * 5000, "\x80"])
def test_a_damaged_file_has_no_choices_and_is_replaced(tmp_path, content):
    path = tmp_path / "choices.json"
    path.write_text(content)
    assert read_choices(path) == {}
    record_choice(path, "here", "onnx")
    assert read_choices(path) == {"here": "onnx"}


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError):
        record_choice(tmp_path / "file" / "choices.json", "here", "onnx")

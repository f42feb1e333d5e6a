import pytest

from nlptl.base.errors import StorageError
from nlptl.saving.onnx.graph_file import GraphFile


def test_a_copy_holds_the_bytes_of_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"graph")
    graph = GraphFile.of(path)
    copied = graph.with_content()
    assert (graph.content, copied.content) == (None, b"graph")
    path.unlink()
    assert copied.with_content() is copied
    assert "graph'" not in repr(copied)


@pytest.mark.parametrize("content", [b"another graph", None])
def test_a_file_that_changed_or_is_missing_cannot_be_copied(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"graph")
    graph = GraphFile.of(path)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StorageError, match="missing or was changed"):
        graph.with_content()

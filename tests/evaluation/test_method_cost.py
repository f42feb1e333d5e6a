import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.evaluation.method_cost import saved_mebibytes


def test_the_size_is_that_of_the_files_of_a_saved_model(tmp_path):
    model = TextClassifier(TfidfEncoder()).fit(["a b", "c d"] * 6, ["x", "y"] * 6)
    folder = model.save(tmp_path / "model")
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert saved_mebibytes(model) == pytest.approx(n_bytes / 2**20, rel=0.01)

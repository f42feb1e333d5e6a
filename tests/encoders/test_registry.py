import numpy as np
import pytest

from nlptl import TfidfEncoder
from nlptl.base.errors import StorageError
from nlptl.encoders.registry import ENCODERS, load_encoder_part, save_encoder_part


def test_the_list_names_classes_that_exist():
    for record in ENCODERS:
        assert record.kind.__name__ == record.class_name
    for part in ("name", "class_name"):
        assert len({getattr(record, part) for record in ENCODERS}) == len(ENCODERS)


def test_a_part_comes_back_as_its_own_kind(tmp_path):
    encoder = TfidfEncoder().fit(["a b", "b c"])
    described = save_encoder_part(encoder, tmp_path / "e")
    again = load_encoder_part(described, tmp_path / "e")
    np.testing.assert_array_equal(
        again.transform(["b"]).toarray(), encoder.transform(["b"]).toarray()
    )


def test_a_foreign_encoder_cannot_be_saved_and_an_unknown_one_not_loaded(tmp_path):
    with pytest.raises(StorageError, match="type dict cannot be saved"):
        save_encoder_part({}, tmp_path / "e")
    assert not (tmp_path / "e").exists()
    with pytest.raises(StorageError, match="Did you mean 'TfidfEncoder'"):
        load_encoder_part({"kind": "TfidfEncodr"}, tmp_path)

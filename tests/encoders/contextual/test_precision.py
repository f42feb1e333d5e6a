import json

import numpy as np
import pytest

from nlptl.base.errors import StorageError
from nlptl.encoders.contextual import precision
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.precision import choose_dtype, cosines


@pytest.fixture(autouse=True)
def own_verdicts(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("cosines", "wanted"),
    [
        ([0.99999, 0.9999], "bfloat16"),
        ([1.0, 0.99], "float32"),
        ([0.9995, 0.9995], "float32"),
    ],
)
def test_half_precision_is_taken_only_where_the_vectors_agree(
    tiny_encoder, monkeypatch, cosines, wanted
):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "_agreement", lambda folder, device: np.array(cosines))
    assert choose_dtype(find_encoder(tiny_encoder), "cpu") == wanted


def test_a_processor_without_it_is_not_asked(tiny_encoder, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(precision, "_agreement", None)
    assert choose_dtype(find_encoder(tiny_encoder), "cpu") == "float32"


def test_the_verdict_is_remembered_and_a_damaged_one_made_again(
    tiny_encoder, monkeypatch, own_verdicts
):
    calls = []

    def agreement(folder, device):
        calls.append(device)
        return np.ones(2)

    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "_agreement", agreement)
    folder = find_encoder(tiny_encoder)
    assert [choose_dtype(folder, "cpu") for _ in range(3)] == ["bfloat16"] * 3
    assert len(calls) == 1
    (kept,) = own_verdicts.rglob("*.json")
    assert list(json.loads(kept.read_text()).values()) == ["bfloat16"]
    wrong = json.dumps({precision._here("cpu"): "int8"})
    for damaged in ("[" * 100_000, "[1]", "{", wrong):
        kept.write_text(damaged)
        assert choose_dtype(folder, "cpu") == "bfloat16"
    assert len(calls) == 5


def test_an_unwritable_cache_does_not_stop_anything(tiny_encoder, monkeypatch, own_verdicts):
    (own_verdicts / "precision").write_text("in the way")
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "_agreement", lambda folder, device: np.ones(1))
    assert choose_dtype(find_encoder(tiny_encoder), "cpu") == "bfloat16"


def test_without_a_home_folder_the_check_is_made_each_time(tiny_encoder, monkeypatch):
    def nowhere():
        raise StorageError("There is no folder for caches.")

    monkeypatch.setattr(precision, "cache_root", nowhere)
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "_agreement", lambda folder, device: np.ones(1))
    assert choose_dtype(find_encoder(tiny_encoder), "cpu") == "bfloat16"


def test_the_real_encoder_is_measured():
    agreement = precision._agreement(find_encoder(None), "cpu")
    assert agreement.shape == (8,)
    assert 0.999 < agreement.min() <= agreement.max() < 1.00001


def test_cosines_are_those_of_the_last_axis():
    first = np.array([[[1.0, 0.0]], [[2.0, 2.0]], [[0.0, 0.0]]])
    second = np.array([[[3.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    np.testing.assert_allclose(cosines(first, second), [[1], [0.5**0.5], [0]])

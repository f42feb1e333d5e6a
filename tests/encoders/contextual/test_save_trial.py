import pytest
import torch

from nlptl import FullFineTune, TextClassifier, TransformerEncoder
from nlptl.base.errors import StorageError
from nlptl.encoders.contextual import save_trial
from nlptl.encoders.contextual.save_trial import check_saving
from tests.conftest import make_encoder


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(save_trial, "_TRIED", set())
    return TransformerEncoder(make_encoder(tmp_path / "e"), cache=None, precision="float32")


def test_an_encoder_that_can_be_saved_is_tried_once_and_leaves_nothing(encoder, monkeypatch):
    written = []
    write = save_trial.write_encoder
    monkeypatch.setattr(
        save_trial,
        "write_encoder",
        lambda encoder, folder: written.append(folder) or write(encoder, folder),
    )
    check_saving(encoder)
    check_saving(encoder)
    assert len(written) == 1 and not written[0].exists()


def test_weights_that_do_not_read_back_are_reported_before_training(encoder, monkeypatch):
    from nlptl.encoders.contextual import transformer_encoder as contextual

    def under_other_names(model, folder, target):
        weights = {f"other.{name}": part for name, part in model.state_dict().items()}
        model.save_pretrained(target, state_dict=weights)

    monkeypatch.setattr(contextual, "write_model", under_other_names)
    model = TextClassifier(encoder, transfer=FullFineTune(), device="cpu")
    with pytest.raises(StorageError, match="could not be saved after.*did not load correctly"):
        model.fit(["good", "great", "bad", "late"], ["+", "+", "-", "-"])


@pytest.mark.parametrize("limit", ["size", "disk"])
def test_large_weights_and_full_disks_are_left_out(encoder, monkeypatch, limit):
    if limit == "size":
        monkeypatch.setattr(save_trial, "MAX_BYTES_TO_TRY", 100)
    monkeypatch.setattr(save_trial, "write_encoder", full_disk)
    check_saving(encoder)
    assert not save_trial._TRIED


def full_disk(encoder, folder):
    raise OSError(28, "No space left on device")


def test_weights_in_memory_are_tried_too(encoder):
    loaded = encoder.reader.loaded
    with torch.no_grad():
        next(loaded.model.parameters()).add_(1.0)
    check_saving(encoder.with_weights(loaded))
    assert len(save_trial._TRIED) == 1

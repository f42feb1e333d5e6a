import json

import numpy as np
import pytest

from nlptl import MultiTaskModel, Task, TrainingConfig, TransformerEncoder
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.estimators.tasks import task_encoder
from nlptl.saving import model_folder as folder_of_one


@pytest.fixture(scope="module")
def model(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    tasks = {"kind": Task(), "length": Task("regression")}
    training = TrainingConfig(max_steps=6, refit=False, quiet=True)
    made = MultiTaskModel(tasks, encoder=encoder, training=training, device="cpu")
    return made.fit({"kind": (texts, labels), "length": (texts, [len(t) for t in texts])})


@pytest.mark.parametrize(
    ("kept", "stored", "passes"),
    [
        ("joint", ["shared", "shared"], 1),
        ("frozen", ["whole", "task"], 1),
        ("polished", ["difference", "difference"], 2),
        ("alone", ["difference", "difference"], 2),
    ],
)
def test_whichever_variant_answers_is_read_back(model, tmp_path, kept, stored, passes):
    for name, own in model.models_.items():
        own.fitted_ = model.variants_[name][kept]
    folder = model.save(tmp_path / "model")
    told = json.loads((folder / "model.json").read_text())
    found = [task["encoder"] for task in told["tasks"]]
    assert [how if isinstance(how, str) else next(iter(how)) for how in found] == stored
    again = MultiTaskModel.load(folder)
    texts = ["a parcel", "help me"]
    for name, said in model.outputs(texts).items():
        np.testing.assert_allclose(again.outputs(texts)[name], said, atol=1e-5)
    for name, verdict in model.comparisons_.items():
        assert again.comparisons_[name].to_json() == verdict.to_json()
    assert again.passes() == model.passes() == passes
    assert again.costs()["together"]["MiB of encoders"] > 0
    assert MultiTaskModel.load(again.save(tmp_path / "again")).passes() == passes


def test_a_changed_file_is_named(model, tmp_path):
    folder = model.save(tmp_path / "model")
    head = folder / "tasks" / "0" / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="head"):
        MultiTaskModel.load(folder)


def test_a_description_that_makes_no_sense_is_refused(model, tmp_path, monkeypatch):
    folder = model.save(tmp_path / "model")
    monkeypatch.setattr(folder_of_one, "verify_manifest", lambda *_, **__: None)
    (folder / "model.json").write_text("{}")
    with pytest.raises(IntegrityError, match="cannot be understood"):
        MultiTaskModel.load(folder)


def test_a_folder_of_something_else_stays_as_it_is(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(StorageError, match="not a model saved by nlptl"):
        model.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_model_that_reads_back_differently_is_not_saved(model, tmp_path, monkeypatch):
    monkeypatch.setattr(task_encoder, "difference", lambda *_: {})
    for name, own in model.models_.items():
        own.fitted_ = model.variants_[name]["alone"]
    with pytest.raises(StorageError, match="not saved"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_frozen_task_on_weights_in_memory_is_read_back(tiny_encoder, support, tmp_path):
    plain = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    texts, labels = support
    encoder = plain.with_weights(read_encoder(plain.folder, "float32", "cpu", stock=False))
    training = TrainingConfig(max_steps=2, refit=False, quiet=True)
    tasks = {"kind": Task(), "length": Task("regression")}
    model = MultiTaskModel(tasks, encoder=encoder, training=training, device="cpu")
    model.fit({"kind": (texts, labels), "length": (texts, [len(t) for t in texts])})
    for name, own in model.models_.items():
        own.fitted_ = model.variants_[name]["frozen"]
    again = MultiTaskModel.load(model.save(tmp_path / "model"))
    asked = ["a parcel", "help me"]
    for name, said in model.outputs(asked).items():
        np.testing.assert_allclose(again.outputs(asked)[name], said, atol=1e-5)
    assert again.passes() == 1 and again.history_.losses == model.history_.losses

import json

import numpy as np
import pytest

from nlptl import LogisticHead, MultiTaskModel, Task, TrainingConfig, TransformerEncoder
from nlptl.estimators.tasks.task_record import describe_task, read_task, read_task_model


@pytest.fixture(scope="module")
def model(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    training = TrainingConfig(max_steps=2, refit=False, quiet=True)
    tasks = {"kind": Task(head=LogisticHead(C=2.0), weight=0.5)}
    model = MultiTaskModel(tasks, encoder=encoder, training=training, device="cpu", gate=False)
    return model.fit({"kind": (texts, labels)})


def test_a_task_is_read_back_with_its_head(model, tmp_path):
    described = json.loads(json.dumps(describe_task(tmp_path, "kind", model)))
    task = read_task(described["task"])
    assert task.kind == "single_label" and task.weight == 0.5 and task.head.C == 2.0
    again = read_task_model(described, task, model.shared_, tmp_path, model)
    texts = ["a parcel", "help me"]
    np.testing.assert_allclose(again.predict_proba(texts), model.outputs(texts)["kind"], atol=1e-6)


@pytest.mark.parametrize("damage", [{"kind": 3}, {"colour": "red"}, {"head": "linear"}])
def test_a_damaged_task_is_refused(model, tmp_path, damage):
    described = describe_task(tmp_path, "kind", model)["task"] | damage
    with pytest.raises((TypeError, KeyError, ValueError)):
        read_task(described)

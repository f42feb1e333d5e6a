import numpy as np
import pytest

from nlptl import FullFineTune, Mixing, Task, TrainingConfig, TransformerEncoder
from nlptl.estimators.tasks.joint import JointTraining
from nlptl.estimators.tasks.prepared import read_parts


@pytest.fixture
def joined(tiny_encoder, support):
    texts, labels = support

    def join(epochs=3, **how):
        encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
        options = {
            "encoder": encoder,
            "transfer": FullFineTune(),
            "training": TrainingConfig(epochs=epochs, learning_rate=1e-3, quiet=True, **how),
            "device": "cpu",
        }
        tasks = {"kind": Task(), "length": Task("regression", weight=2.0)}
        data = {"kind": (texts, labels), "length": (texts, [len(t) for t in texts])}
        parts, readings = read_parts(tasks, data, options)
        return JointTraining(parts, readings, Mixing("proportional"), "sum"), parts

    return join


def test_losses_of_other_units_count_alike(joined):
    joiner, parts = joined()
    rows = {name: part.windows for name, part in parts.items()}
    losses = joiner._losses(rows)
    assert losses["length"].scale == 1.0 and losses["length"].weight == 2.0
    shares = np.bincount(rows["kind"].targets.codes) / len(rows["kind"])
    entropy = -(shares * np.log(shares)).sum()
    assert losses["kind"].scale == pytest.approx(entropy, rel=1e-4)


def test_tasks_learn_together_and_are_scored_epoch_by_epoch(joined):
    joiner, parts = joined()
    found = joiner.fit()
    assert set(found.fitted) == {"kind", "length"}
    assert sum(found.steps.values()) == len(found.history.steps)
    assert {name: len(own) for name, own in found.progress.scores.items()} == {
        "kind": 3,
        "length": 3,
    }
    rows, targets = parts["length"].held
    own = found.fitted["length"]
    said = own.scorer.logits(own.features.transform(rows))[:, 0]
    assert np.mean((said - targets.codes) ** 2) < np.var(targets.codes) / 2
    came = parts["length"].first.features.encoder
    assert np.abs(found.encoder.transform(["late"]) - came.transform(["late"])).max() > 1e-3
    assert found.fitted["kind"].features.encoder is found.encoder


def test_checkpoints_of_other_tasks_are_refused(joined, tmp_path):
    joiner, parts = joined(checkpoints=str(tmp_path / "kept"), save_steps=2)
    rows = {name: part.windows for name, part in parts.items()}
    told = joiner._settings(rows, {})
    other = JointTraining(parts, {}, Mixing("uniform"), "sum")._settings(rows, {})
    assert told != other and set(told["tasks"]) == {"kind", "length"}
    joiner.fit()
    assert list((tmp_path / "kept" / "attempt-0").glob("step-*"))

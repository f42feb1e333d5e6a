import pytest

from nlptl import TrainingConfig
from nlptl.config.part import Part
from nlptl.config.run import RunConfig
from nlptl.config.tasks import TasksConfig

NAMED = Part("training", {"checkpoints": "elsewhere"})


def run_config(**given):
    return RunConfig(data="a.csv", **given)


@pytest.mark.parametrize("kind", [run_config, lambda **given: TasksConfig(tasks={}, **given)])
def test_checkpoints_lie_beside_the_output_unless_named(kind, tmp_path):
    output = str(tmp_path / "model")
    made = kind(output=output, transfer=Part("full", {}))
    assert made.checkpoints == tmp_path / "model.checkpoints"
    assert made.checkpointing(None) == TrainingConfig(checkpoints=str(made.checkpoints))
    assert made.checkpointing(TrainingConfig(epochs=2)).epochs == 2
    named = kind(output=output, transfer=Part("full", {}), training=NAMED)
    nowhere = kind(transfer=Part("full", {}))
    for other in (named, nowhere):
        assert other.checkpoints is None and other.checkpointing(None) is None
        other.forget_checkpoints()
    made.checkpoints.mkdir()
    made.forget_checkpoints()
    assert not made.checkpoints.exists()


def test_a_frozen_encoder_has_none():
    assert run_config(output="model", transfer=Part("frozen", {})).checkpoints is None
    assert run_config(output="model", transfer=Part("lora + l2sp", {})).checkpoints is not None

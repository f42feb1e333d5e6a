import pytest

from nlptl import MultiTaskModel, Task, TrainingConfig, TransformerEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators.tasks.task_fit import fit_tasks


def test_tasks_are_fitted_and_the_model_stays_as_it_is(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    training = TrainingConfig(max_steps=3, refit=False, quiet=True)
    model = MultiTaskModel(
        {"kind": "auto", "length": "regression"},
        encoder=encoder,
        training=training,
        device="cpu",
        gate=["kind"],
    )
    before = dict(vars(model))
    lengths = [float(len(text)) for text in texts]
    result = fit_tasks(model, {"kind": (texts, labels), "length": (texts, lengths)})
    assert vars(model) == before
    assert result.tasks["kind"].kind == "single_label"
    assert set(result.variants["kind"]) == {"joint", "frozen", "polished", "alone"}
    assert set(result.variants["length"]) == {"joint"}
    assert result.comparisons["length"].outcome == "not compared"
    kept = result.variants["kind"][result.comparisons["kind"].kept]
    assert result.models["kind"].fitted_ is kept and set(result.together.steps) == set(result.tasks)


def test_options_and_data_are_checked_before_training(tiny_encoder):
    with pytest.raises(ConfigError, match="balance='summ'"):
        fit_tasks(MultiTaskModel({"a": Task()}, balance="summ"), {})
    with pytest.raises(InputError, match="no data for"):
        fit_tasks(MultiTaskModel({"a": Task()}, encoder=tiny_encoder), {})

from nlptl import MultiTaskModel, Task, TrainingConfig
from nlptl.estimators.tasks.shared_model import SharedModel


def test_a_fitted_model_has_all_that_its_parts_ask_of_it(tiny_encoder, few):
    texts, labels = few
    training = TrainingConfig(max_steps=1, quiet=True)
    model = MultiTaskModel({"kind": Task()}, encoder=tiny_encoder, gate=False, training=training)
    model.fit({"kind": (texts, labels)})
    names = SharedModel.__annotations__
    assert len(names) > 10
    assert not [name for name in names if not hasattr(model, name)]

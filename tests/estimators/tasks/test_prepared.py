import pytest

from nlptl import FullFineTune, Task, TransformerEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators.tasks.prepared import held_share, read_parts
from nlptl.training.config import LoopConfig


@pytest.mark.parametrize(
    ("n", "share", "wanted"),
    [(3_000, 0.1, 0.1), (500, 0.1, 0.2), (200, 0.1, 0.25), (9, 0.1, 0.25), (200, 0.0, 0.0)],
)
def test_a_hundred_rows_are_held_out_but_no_more_than_a_quarter(n, share, wanted):
    assert held_share(n, LoopConfig(validation_share=share)) == pytest.approx(wanted)


def test_every_task_gets_its_rows_its_first_head_and_rows_held_out(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    options = {"encoder": encoder, "transfer": FullFineTune(), "seed": 0, "device": "cpu"}
    tasks = {"kind": Task(), "few": Task(), "read": Task("language_model")}
    few = texts[:20], [len(t) > 60 for t in texts[:20]]
    data = {"kind": (texts, labels), "few": few, "read": texts[:9]}
    parts, readings = read_parts(tasks, data, options)
    assert list(parts) == ["kind", "few"] and len(readings["read"].texts) == 9
    part = parts["kind"]
    assert len(part.seen[0]) + len(part.held[0]) == len(texts)
    assert set(part.seen[0].texts).isdisjoint(set(part.held[0].texts) - set(part.seen[0].texts))
    assert parts["few"].held is None and len(parts["few"].seen[0]) == 20
    assert parts["few"].unseen is None and len(part.windows) == len(part.seen[0])
    assert part.task.kind == "single_label"
    assert part.first.scorer.probabilities(part.first.features.transform(part.seen[0])).shape == (
        len(part.seen[0]),
        len(set(labels)),
    )


@pytest.mark.parametrize(
    "task", [Task(metric="f1"), Task(metric="pearson"), Task("regression", metric="accuracy")]
)
def test_a_figure_that_could_not_be_computed_is_refused_before_training(tiny_encoder, task):
    options = {"encoder": TransformerEncoder(tiny_encoder), "transfer": FullFineTune()}
    with pytest.raises(ConfigError, match="Task 'a': metric="):
        read_parts({"a": task}, {"a": (["x", "y"], [1, 2])}, options)


def test_problems_name_the_task(tiny_encoder):
    options = {"encoder": TransformerEncoder(tiny_encoder), "transfer": FullFineTune()}
    with pytest.raises(InputError, match="Task 'a'"):
        read_parts({"a": Task()}, {"a": (["x", "y"], ["one", "one"])}, options)
    with pytest.raises(InputError, match="Task 'a'"):
        tasks = {"a": Task("language_model"), "b": Task()}
        read_parts(tasks, {"a": [], "b": (["x", "y"], [1, 2])}, options)

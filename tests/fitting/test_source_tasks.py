import numpy as np
import pandas as pd
import pytest

from nlptl import Corpus
from nlptl.base.errors import InputError
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.source_tasks import source_tasks
from nlptl.fitting.training_data import TrainingData

TEXTS = ["late parcel", "new password", "money back"]


def tasks_of(*labels, rows=TEXTS):
    source = {str(i): Corpus(rows, part) for i, part in enumerate(labels)}
    codec = LabelCodec.learn(["x", "y"])
    data = TrainingData(Rows(["a", "b"]), Targets(np.array([0, 1]), 2), codec, source=source)
    return source_tasks(data)


@pytest.mark.parametrize(
    ("labels", "codes", "n_outputs"),
    [
        (["b", "a", "b"], [1, 0, 1], 2),
        ([3.0, 1.0, 2.0], [2, 0, 1], 3),
        ([["a"], [], ["a", "b"]], [[1, 0], [0, 0], [1, 1]], 2),
        ([0.5, 1.5, 2.5], [-(1.5**0.5), 0.0, 1.5**0.5], 1),
    ],
    ids=["classes", "whole numbers", "lists", "fractions"],
)
def test_labels_of_a_source_have_codes_of_their_own(labels, codes, n_outputs):
    (task,) = tasks_of(labels)
    assert list(task.texts) == TEXTS and task.n_outputs == n_outputs
    np.testing.assert_allclose(task.codes, codes)


def test_a_corpus_without_labels_has_only_texts():
    (task,) = tasks_of(None)
    assert list(task.texts) == TEXTS and task.codes is None and task.n_outputs == 0


def test_every_corpus_is_a_task_of_its_own():
    assert [task.n_outputs for task in tasks_of(["a", "b", "a"], ["a", "b", "c"])] == [2, 3]


def test_a_source_that_cannot_be_a_task_is_refused():
    with pytest.raises(InputError, match="at least two different labels"):
        tasks_of(["a"] * 3)
    with pytest.raises(InputError, match="must have single texts"):
        tasks_of(["a", "b"], rows=[("a", "b"), ("c", "d")])


def test_a_table_of_zeros_and_ones_is_read_as_several_labels():
    table = pd.DataFrame({"question": [1, 0, 1], "urgent": [0, 0, 1]})
    (task,) = tasks_of(table)
    assert np.asarray(task.codes).tolist() == [[1, 0], [0, 0], [1, 1]]

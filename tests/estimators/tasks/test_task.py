import numpy as np
import pandas as pd
import pytest

from nlptl import Corpus, LogisticHead, OrdinalHead, Task, TextClassifier, TextRegressor
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators.tasks.task import TaskData, as_tasks, gated


@pytest.mark.parametrize(
    ("answers", "kind", "metric"),
    [
        (["yes", "no"], "single_label", "accuracy"),
        ([1, 0, 2], "single_label", "accuracy"),
        ([1.0, 0.0], "single_label", "accuracy"),
        ([1.5, 0.0], "regression", "pearson"),
        (pd.Series([0.25, 3.5]), "regression", "pearson"),
        ([True, False], "single_label", "accuracy"),
        ([("a", 1), ("b", 2)], "single_label", "accuracy"),
        ([["a"], []], "multi_label", "micro_f1"),
        (np.eye(3, dtype=int), "multi_label", "micro_f1"),
    ],
)
def test_what_a_task_asks_is_read_from_its_answers(answers, kind, metric):
    known = Task().known(answers)
    assert (known.kind, known.metric) == (kind, metric)
    assert Task(metric="macro_f1", kind="ordinal").known(answers).metric == "macro_f1"


def test_a_task_makes_the_model_that_would_learn_it_alone():
    made = Task("single_label", imbalance="balanced").model({"seed": 3})
    assert isinstance(made, TextClassifier) and made.imbalance == "balanced" and made.seed == 3
    assert isinstance(Task("regression").model({}), TextRegressor)
    assert isinstance(Task("ordinal").known([1, 2]).head, OrdinalHead)
    assert isinstance(Task("ordinal", head=LogisticHead()).known([1, 2]).head, LogisticHead)
    with pytest.raises(ConfigError, match="imbalance"):
        Task("regression", imbalance="balanced").model({})


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: Task("labels"), "kind='labels'"), (lambda: Task(weight=0), "weight must")],
)
def test_tasks_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_names_of_kinds_stand_for_tasks():
    assert as_tasks({"a": "regression", "b": Task()}) == {"a": Task("regression"), "b": Task()}
    for wrong in ({}, [], {"": Task()}, {1: Task()}, {"a": 3}, {"a": "language_model"}):
        with pytest.raises(ConfigError):
            as_tasks(wrong)


def test_data_comes_as_a_pair_or_a_corpus_or_as_texts_alone():
    texts = ["a", "b", "c"]
    for given in ((texts, [1, 2, 1]), [texts, [1, 2, 1]], Corpus(texts, [1, 2, 1])):
        found = TaskData.read("x", given, reads_only=False)
        assert list(found.texts) == texts and found.answers == [1, 2, 1]
    assert list(TaskData.read("x", texts, reads_only=True).texts) == texts
    assert TaskData.read("x", (texts, None), reads_only=True).answers is None
    for wrong in (texts, Corpus(texts), (texts, None), "abc"):
        with pytest.raises(InputError, match="'x'"):
            TaskData.read("x", wrong, reads_only=False)


def test_tasks_are_judged_all_or_none_or_those_that_are_named():
    tasks = {"mood": Task(), "topic": Task(), "read": Task("language_model")}
    assert gated(tasks, True) == {"mood", "topic"} and gated(tasks, False) == set()
    assert gated(tasks, ["topic"]) == gated(tasks, "topic") == {"topic"}
    for name in ("tropic", "read"):
        with pytest.raises(ConfigError, match=f"gate names '{name}'"):
            gated(tasks, [name])


def test_iterators_are_read_once():
    data = TaskData.read("t", (iter(["a"]), iter(["x"])), reads_only=False)
    assert (data.texts, data.answers) == (["a"], ["x"])
    assert TaskData.read("t", iter(["a"]), reads_only=True).texts == ["a"]

import numpy as np
import pandas as pd
import pytest

from nlptl import Corpus, LabelMeaning, TfidfEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import as_rows
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import (
    is_empty,
    labelled_rows,
    read_labelled,
    targets_of,
    unlabeled_rows,
    without_weightless,
)

NAMES = {"post": "the parcel and the box", "money": "my card was charged"}


def plan(transfer=None, **options):
    return FitPlan.resolve(encoder=TfidfEncoder(), transfer=transfer, **options)


def test_rows_get_the_names_as_extra_rows():
    meaning = LabelMeaning(NAMES, ["{}", "on {}"])
    labelled = (["my money", "a box"], ["money", "post"], [1.0, 3.0])
    data = read_labelled(plan(meaning), *labelled)
    rows, targets = data.with_names
    assert rows.texts[2:] == [
        "my card was charged", "on my card was charged",
        "the parcel and the box", "on the parcel and the box",
    ]  # fmt: skip
    assert targets.codes.tolist() == [0, 1, 0, 0, 1, 1]
    assert targets.weights.tolist() == [1.0, 3.0, 2.0, 2.0, 2.0, 2.0]
    assert len(data.probe) == 2


def test_labels_and_weights_must_fit_the_rows():
    rows, codec = as_rows(["a", "b"]), LabelCodec.learn(["x", "y"])
    assert targets_of(codec, ["x", "y"], [1, 2], rows).weights.tolist() == [1, 2]
    with pytest.raises(InputError, match="got 2 texts and 3 labels"):
        targets_of(codec, ["x", "y", "y"], None, rows)
    for wrong in ([1], [1, -1], [1, np.nan]):
        with pytest.raises(InputError, match="sample_weight"):
            targets_of(codec, ["x", "y"], wrong, rows)


def test_numbers_have_no_names():
    with pytest.raises(ConfigError, match="numbers have none"):
        read_labelled(plan(LabelMeaning(NAMES), numeric=True), ["a box"], [1.0], None)


def test_validation_is_one_labelled_corpus():
    codec = LabelCodec.learn(["x", "y"])
    assert labelled_rows({}, codec) is None
    rows, targets = labelled_rows({"a": Corpus(["a", "b"], ["y", "x"])}, codec)
    assert rows.texts == ["a", "b"] and targets.codes.tolist() == [1, 0]
    for wrong in ({"a": Corpus(["a"])}, {"a": Corpus(["a"], ["x"]), "b": Corpus(["b"], ["y"])}):
        with pytest.raises(InputError, match="one Corpus with labels"):
            labelled_rows(wrong, codec)


def test_unlabelled_corpora_are_joined():
    both = {"old": Corpus(["a", "b"]), "new": Corpus(["c"])}
    assert unlabeled_rows(both).texts == ["a", "b", "c"]
    assert len(unlabeled_rows({})) == 0


def test_containers_without_texts_are_empty():
    assert all(map(is_empty, ([], (), np.array([]), pd.Series([], dtype=str))))
    assert not any(map(is_empty, (["a"], "", {}, iter([]))))


def test_of_rows_without_weight_only_those_of_classes_without_other_rows_stay():
    texts, weights = ["a", "b", "c", "d", "e"], [1.0, 0.0, 1.0, 0.0, 0.0]
    data = read_labelled(plan(), texts, ["x", "x", "y", "y", "rare"], weights)
    kept = without_weightless(data)
    assert kept.rows.texts == ["a", "c", "e"] and kept.targets.weights.tolist() == [1, 1, 0]
    lists = [["x"], ["x"], ["y"], ["y"], ["rare", "y"]]
    several = without_weightless(read_labelled(plan(), texts, lists, weights))
    assert several.rows.texts == ["a", "c", "e"]

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.fused import Concatenation, FusedEncoder
from nlptl.fitting.head_inputs import domain_features, head_inputs, stacked
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.features.mean_alignment import MeanAlignment


class Columns:
    """Encoder that reads the numbers in a text as its vector, dense or sparse."""

    learns_from_text = False

    def __init__(self, columns, *, is_sparse=False):
        self.columns, self.is_sparse = columns, is_sparse
        self.groups = (("numbers", len(columns)),)
        self.dim = len(columns)

    def fit(self, texts, y=None):
        return self

    def transform(self, texts):
        rows = [[float(text.split()[i]) for i in self.columns] for text in texts]
        array = np.array(rows, dtype=np.float32).reshape(len(rows), len(self.columns))
        return sparse.csr_matrix(array) if self.is_sparse else array


@dataclass(frozen=True)
class Doubled(Transfer):
    """Weigh the rows of each source domain by its first feature."""

    weighs_source: ClassVar[bool] = True
    compares_domains: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})

    def weigh(self, features):
        column = np.asarray(features.source[:, 0]).ravel().astype(np.float64)
        return column / column.mean()


SOURCE = ["1 0 0", "3 0 5", "2 2 0", "6 2 0"]
TARGET = ["10 4 0", "12 6 7"]


def data_of(domains, unlabeled=TARGET):
    targets = Targets(np.array([0, 1, 0, 1]), 2, domains=np.array(domains))
    return TrainingData(Rows(SOURCE), targets, None, unlabeled=Rows(list(unlabeled)))


def inputs_of(encoder, transfer, data, **options):
    plan = FitPlan.resolve(encoder=encoder, transfer=transfer)
    return head_inputs(plan, data, TextFeatures(encoder, np.ones(len(encoder.groups))), **options)


def test_each_source_moves_to_the_centre_of_the_target():
    inputs = inputs_of(Columns([0, 1]), MeanAlignment(), data_of([1, 1, 2, 2]))
    np.testing.assert_allclose(inputs.X, [[10, 5], [12, 5], [9, 5], [13, 5]])
    np.testing.assert_allclose(inputs.unlabeled, [[10, 4], [12, 6]])


def test_labelled_target_rows_stay_and_count_for_the_centre():
    inputs = inputs_of(Columns([0]), MeanAlignment(), data_of([1, 1, 0, 0]))
    centre = (10 + 12 + 2 + 6) / 4
    np.testing.assert_allclose(inputs.X.ravel(), [centre - 1, centre + 1, 2, 6])


def test_word_counts_keep_their_columns_in_a_sparse_matrix():
    encoder = FusedEncoder(
        (Columns([0, 1]), Columns([2], is_sparse=True)), fusion=Concatenation(sparse=True)
    )
    inputs = inputs_of(encoder, MeanAlignment(), data_of([1, 1, 1, 1]))
    assert sparse.issparse(inputs.X) and inputs.X.shape == (4, 3)
    expected = np.array([[9, 4, 0], [11, 4, 5], [10, 6, 0], [14, 6, 0]])
    np.testing.assert_allclose(inputs.X.toarray(), expected)


def test_word_counts_alone_cannot_be_aligned():
    with pytest.raises(ConfigError, match="MeanAlignment.. needs dense features, got 1 word"):
        inputs_of(Columns([2], is_sparse=True), MeanAlignment(), data_of([1, 1, 1, 1]))


def test_weights_of_a_source_multiply_those_of_its_rows():
    data = data_of([1, 1, 2, 2])
    weighted = replace(data, targets=replace(data.targets, weights=np.array([1.0, 1.0, 2.0, 1.0])))
    inputs = inputs_of(Columns([0]), Doubled(), weighted)
    np.testing.assert_allclose(inputs.source_weights, [0.5, 1.5, 0.5, 1.5])
    np.testing.assert_allclose(inputs.targets.weights, [0.5, 1.5, 1.0, 1.5])
    again = inputs_of(Columns([0]), Doubled(), inputs.data, weigh=False)
    np.testing.assert_allclose(again.targets.weights, inputs.targets.weights)


def test_features_of_unlabelled_rows_are_computed_only_for_a_transfer():
    inputs = inputs_of(Columns([0]), None, data_of([1, 1, 1, 1]))
    assert inputs.unlabeled is None
    with pytest.raises(ValueError, match="no features of unlabelled rows"):
        inputs.pool  # noqa: B018


def test_domain_features_join_unlabelled_and_labelled_target_rows():
    X = np.arange(4.0).reshape(4, 1)
    targets = Targets(np.array([0, 1, 0, 1]), 2, domains=np.array([0, 1, 1, 0]))
    rows, pair = domain_features(X, np.array([[9.0]]), targets, 1)
    assert rows.tolist() == [1, 2] and pair.source.ravel().tolist() == [1, 2]
    assert pair.target.ravel().tolist() == [9, 0, 3] and pair.labelled_codes.tolist() == [0, 1]


def test_stacked_keeps_sparse_matrices_sparse():
    first, second = np.eye(2), sparse.csr_matrix(np.eye(2))
    assert sparse.issparse(stacked(first, second)) and stacked(first, first).shape == (4, 2)
    np.testing.assert_array_equal(stacked(first, second).toarray(), stacked(first, first))

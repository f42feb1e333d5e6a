import numpy as np
from scipy import sparse

from nlptl.data.targets import Targets
from nlptl.fitting.domain_features import domain_features, source_numbers, stacked


def test_domain_features_join_unlabelled_and_labelled_target_rows():
    X = np.arange(4.0).reshape(4, 1)
    targets = Targets(np.array([0, 1, 0, 1]), 2, domains=np.array([0, 1, 1, 0]))
    rows, pair = domain_features(X, np.array([[9.0]]), targets, 1, seed=3)
    assert rows.tolist() == [1, 2] and pair.source.ravel().tolist() == [1, 2]
    assert pair.target.ravel().tolist() == [9, 0, 3] and pair.labelled_codes.tolist() == [0, 1]


def test_stacked_keeps_sparse_matrices_sparse():
    first, second = np.eye(2), sparse.csr_matrix(np.eye(2))
    assert sparse.issparse(stacked(first, second)) and stacked(first, first).shape == (4, 2)
    np.testing.assert_array_equal(stacked(first, second).toarray(), stacked(first, first))


def test_the_numbers_of_sources_leave_out_the_target():
    codes = np.zeros(4, dtype=np.int64)
    assert source_numbers(Targets(codes, 2, domains=np.array([0, 3, 1, 3]))) == [1, 3]
    assert source_numbers(Targets(codes, 2)) == []

import numpy as np
import pytest
from scipy import sparse

from nlptl import Corpus
from nlptl.base.errors import InputError
from nlptl.evaluation.nearest_rows import nearest_rows

VECTORS = {
    "x": [1.0, 0.0],
    "y": [0.0, 1.0],
    "both": [1.0, 1.0],
    "long x": [5.0, 0.1],
    "short y": [0.0, 0.2],
}
CORPUS = Corpus(["x", "y", "both"], ["a", "b", "c"])


def embed(texts):
    return np.array([VECTORS[text] for text in texts])


def test_the_most_similar_rows_come_first_whatever_the_length_of_their_vectors():
    table = nearest_rows(embed, ["long x", "short y"], CORPUS, n=2)
    assert table["query"].tolist() == [0, 0, 1, 1] and table["row"].tolist() == [0, 2, 1, 2]
    assert table["label"].tolist() == ["a", "c", "b", "c"]
    assert table["text"].tolist() == ["x", "both", "y", "both"]
    assert table["similarity"].round(2).tolist() == [1.0, 0.72, 1.0, 0.71]


def test_sparse_vectors_give_the_same_rows_and_labels_may_be_missing():
    unlabelled = Corpus(["x", "y", "both"])
    dense = nearest_rows(embed, ["long x"], unlabelled, n=9)
    counts = nearest_rows(lambda part: sparse.csr_matrix(embed(part)), ["long x"], unlabelled, n=9)
    assert len(dense) == 3 and counts.equals(dense) and "label" not in dense


def test_a_number_of_rows_below_one_is_refused():
    with pytest.raises(InputError, match="at least 1, got 0"):
        nearest_rows(embed, ["x"], CORPUS, n=0)

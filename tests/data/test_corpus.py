import pytest
from scipy import sparse

from nlptl import Corpus
from nlptl.base.errors import InputError
from nlptl.data.corpus import as_corpora, read_corpora


def test_a_corpus_has_no_length_so_that_cross_validation_does_not_slice_it():
    corpus = Corpus(["a", "b"], [0, 1], name="reviews")
    assert not hasattr(corpus, "__len__")
    assert corpus.size == 2
    assert repr(corpus) == "<Corpus reviews: 2 labelled texts>"


def test_labels_must_match_the_texts():
    with pytest.raises(InputError, match="corpus 'x' needs one label, got 2 texts and 1"):
        Corpus(["a", "b"], [0], name="x")


def test_one_corpus_many_or_none_are_read():
    one, two = Corpus(["a"]), Corpus(["b"], name="two")
    assert as_corpora(None, argument="source") == {}
    assert as_corpora(one, argument="source") == {"source": one}
    assert as_corpora(two, argument="source") == {"two": two}
    assert as_corpora({"x": one, "y": two}, argument="source") == {"x": one, "y": two}


def test_a_bare_list_says_what_to_write():
    with pytest.raises(InputError, match=r"got list. Write unlabeled=Corpus\("):
        as_corpora(["a", "b"], argument="unlabeled")


def test_texts_and_labels_are_read_once_and_need_an_order():
    corpus = Corpus(iter(["a", "b"]), iter([0, 1]))
    assert corpus.rows.texts == ["a", "b"] and corpus.labels == [0, 1]
    assert Corpus(["a", "b"], sparse.csr_matrix([[1, 0], [0, 1]])).size == 2
    for labels in ({0, 1}, {"x": 0, "y": 1}, 5):
        with pytest.raises(InputError, match="Expected a list of labels"):
            Corpus(["a", "b"], labels)


def test_several_arguments_are_read_by_name():
    corpus = Corpus(["a"])
    corpora = read_corpora({"source": None, "unlabeled": corpus})
    assert corpora == {"source": {}, "unlabeled": {"unlabeled": corpus}}


def test_texts_of_another_split_are_removed_with_their_labels():
    long = "the parcel came late and the box was broken when i opened it at home"
    corpus = Corpus(["Good film", long + " today", "dull book"], [1, 2, 3], name="pool", domain="d")
    kept = corpus.without(["good  FILM", long])
    assert (kept.size, kept.n_removed, list(kept.labels)) == (1, 2, [3])
    assert list(kept.rows.texts) == ["dull book"]
    assert (kept.name, kept.domain, kept.language) == ("pool", "d", None)
    assert (corpus.size, corpus.n_removed) == (3, 0)
    again = kept.without(["dull book"])
    assert (again.size, again.n_removed) == (0, 3)


def test_nothing_is_removed_without_a_leak():
    corpus = Corpus([("a", "b"), ("c", "d")])
    kept = corpus.without([("a", "c"), ("", "")])
    assert (kept.size, kept.n_removed, kept.labels) == (2, 0, None)

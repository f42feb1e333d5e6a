from nlptl import StaticEncoder


def test_shares_and_the_most_frequent_unknown_words(vectors_file):
    found = StaticEncoder(vectors_file).coverage(
        ["the parcel is late", "zebra zebra quagga", "the zebra"]
    )
    assert found.tokens == 5 / 9
    assert found.types == 4 / 6
    assert found.empty == 1
    assert found.unknown == (("zebra", 3), ("quagga", 1))
    assert "55.6% of the tokens" in str(found)
    assert "zebra (3)" in str(found)


def test_no_words_at_all_are_no_error(vectors_file):
    assert StaticEncoder(vectors_file).coverage([" "]).tokens == 0.0

from nlptl import Corpus, TextClassifier


def test_the_nearest_training_rows_of_a_text_are_shown(support):
    texts, labels = (part[::8] for part in support)
    model = TextClassifier("tfidf").fit(texts, labels)
    table = model.neighbours(texts[:2], Corpus(texts, labels), n=3)
    assert table["query"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["text"].tolist()[::3] == texts[:2] and table["label"].tolist()[::3] == labels[:2]
    assert len(model.neighbours(texts[:1], Corpus(texts[:2]), n=9)) == 2


def test_neighbours_of_pairs_have_both_texts(support):
    texts, labels = (part[::8] for part in support)
    pairs = list(zip(texts, texts[::-1], strict=True))
    model = TextClassifier("tfidf").fit(pairs, labels)
    table = model.neighbours(pairs[:1], Corpus(pairs), n=1)
    assert (table["first"][0], table["second"][0]) == pairs[0]

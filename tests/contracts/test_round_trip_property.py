"""Random texts and labels through fit, predict, save, load and files of tables."""

from __future__ import annotations

import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from nlptl import LogisticHead, StaticEncoder, TextClassifier, TfidfEncoder
from nlptl.base.errors import InputError
from nlptl.data.tables.reading import column, read_table
from nlptl.data.tables.writing import table_format

WORDS = ("red", "blue", "car", "bus", "späti", "नमस्ते", "e\u0301t\u00e9")
QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}

texts = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    st.text(min_size=1, max_size=12),
)
"""Words that the encoders know, and texts of any character but half ones."""

marks = st.sampled_from(
    ["a", "a\0", "\u00e9", "e\u0301", "\u200d", "\ufeffx", '"', "\r\n", "1", "NA", "x,y"]
)
names = st.one_of(marks, st.text(min_size=1, max_size=6))
whole = st.one_of(st.integers(-3, 3), st.integers(-(2**70), 2**70), st.integers(2**63, 2**64 - 1))
broken = st.floats(allow_nan=False)
kinds = st.sampled_from(
    [names, st.booleans(), whole, broken, st.tuples(names, whole), whole | broken]
)


@st.composite
def single(draw):
    """Return two to four labels that differ."""
    return draw(st.lists(draw(kinds), min_size=2, max_size=4, unique_by=repr))


@st.composite
def several(draw):
    """Return lists of labels."""
    classes = draw(st.lists(names, min_size=2, max_size=3, unique=True))
    return draw(st.lists(st.lists(st.sampled_from(classes), unique=True), min_size=2, max_size=4))


@st.composite
def columns(draw):
    """Return zeros and ones, with or without names of columns."""
    width = draw(st.integers(2, 3))
    rows = draw(
        st.lists(
            st.lists(st.integers(0, 1), min_size=width, max_size=width), min_size=2, max_size=4
        )
    )
    if draw(st.booleans()):
        return np.array(rows)
    titles = st.lists(names, min_size=width, max_size=width, unique=True)
    return pd.DataFrame(rows, columns=draw(titles))


def repeated(values, n):
    """Return n rows that repeat some."""
    if isinstance(values, list):
        return list(islice(cycle(values), n))
    places = np.arange(n) % len(values)
    return values.iloc[places] if isinstance(values, pd.DataFrame) else values[places]


def plain(answers):
    return answers.tolist() if isinstance(answers, np.ndarray) else list(answers)


def exact(labels):
    """Return labels with their types: 1, 1.0 and True differ, and -0.0 from 0.0."""
    return [repr(label) for label in labels]


def check_round_trip(encoder, given_texts, labels):
    n = max(2 * len(given_texts), 2 * len(labels))
    rows, answers = repeated(given_texts, n), repeated(labels, n)
    try:
        model = TextClassifier(encoder, head=LogisticHead(C=1.0)).fit(rows, answers)
    except InputError as problem:
        event(f"refused: {' '.join(str(problem).split()[:2])}")
        return
    event(model.fitted_.codec.form)
    check_answers(model, rows, answers)
    with tempfile.TemporaryDirectory() as place:
        model.save(Path(place) / "model")
        again = TextClassifier.load(Path(place) / "model")
    assert exact(again.classes_.tolist()) == exact(model.classes_.tolist())
    assert again.classes_.dtype == model.classes_.dtype
    assert repr(plain(again.predict(rows))) == repr(plain(model.predict(rows)))
    np.testing.assert_allclose(again.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    check_answers(again, rows, answers)


def check_answers(model, rows, answers):
    shares, codec = model.predict_proba(rows), model.fitted_.codec
    assert shares.shape == (len(rows), len(model.classes_)) and np.isfinite(shares).all()
    if codec.form == "single":
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
        best = model.classes_[shares.argmax(axis=1)]
        assert exact(plain(model.predict(rows))) == exact(best.tolist())
        assert set(exact(model.classes_.tolist())) == set(exact(answers))
        assert exact(plain(codec.decode(codec.encode(answers)))) == exact(answers)
    elif codec.form == "lists":
        known = exact(model.classes_.tolist())
        assert known == exact(sorted({label for row in answers for label in row}))
        decoded = codec.decode(codec.encode(answers))
        assert decoded == [sorted(row) for row in answers]
    else:
        assert codec.encode(answers).tolist() == np.asarray(answers).tolist()
        if isinstance(answers, pd.DataFrame):
            assert exact(model.classes_.tolist()) == exact(answers.columns.tolist())


def check_table(rows, labels, ending):
    """Write a table, read it back, and compare all rows, as text where files have no types."""
    n = max(len(rows), len(labels))
    kept = [str(label) for label in repeated(labels, n)]
    table = pd.DataFrame({"text": repeated(rows, n), "label": kept})
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"table{ending}"
        path.write_bytes(table_format(path).encode(table))
        again = read_table(path)
    assert column(again, "text") == table["text"].tolist()
    assert column(again, "label") == kept


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Word counts, and pooled word vectors of four numbers."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("vectors") / "words.vec"
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in rng.normal(size=4))}" for word in WORDS]
    path.write_text("\n".join([f"{len(WORDS)} 4", *lines]) + "\n", encoding="utf-8")
    return TfidfEncoder(), StaticEncoder(path)


some = {
    "place": st.integers(0, 1),
    "rows": st.lists(texts, min_size=2, max_size=5),
    "labels": st.one_of(single(), several(), columns()),
}


@settings(max_examples=50, **QUICK)
@given(**some)
def test_labels_come_back_exactly_as_they_were_given(encoders, place, rows, labels):
    check_round_trip(encoders[place], rows, labels)


@pytest.mark.slow
@settings(max_examples=500, **QUICK)
@given(**some)
def test_labels_come_back_exactly_as_they_were_given_in_many_examples(
    encoders, place, rows, labels
):
    check_round_trip(encoders[place], rows, labels)


tables = {
    "rows": st.lists(texts, min_size=1, max_size=5),
    "labels": st.lists(names, min_size=1, max_size=4),
    "ending": st.sampled_from([".csv", ".jsonl", ".parquet"]),
}


@settings(max_examples=50, **QUICK)
@given(**tables)
def test_a_table_that_was_written_is_read_with_all_its_rows(rows, labels, ending):
    check_table(rows, labels, ending)


@pytest.mark.slow
@settings(max_examples=500, **QUICK)
@given(**tables)
def test_a_table_that_was_written_is_read_with_all_its_rows_in_many_examples(rows, labels, ending):
    check_table(rows, labels, ending)

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Auto,
    Corpus,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    LogisticHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import ResidualFusion
from nlptl.estimators import students
from nlptl.estimators.students import sharpened

COUNTS = TextClassifier(TfidfEncoder())


@pytest.fixture(scope="module")
def taught(support):
    """A teacher of every fourth request, and all texts in another order."""
    texts, labels = support
    teacher = TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4])
    return teacher, [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]


def test_a_student_answers_as_its_teacher_does(taught, tmp_path):
    teacher, texts = taught
    student = teacher.distill(texts[:300], student=COUNTS)
    same = (student.predict(texts[300:]) == teacher.predict(texts[300:])).mean()
    assert same > 0.6  # of eight kinds
    assert student.classes_.tolist() == teacher.classes_.tolist()
    again = TextClassifier.load(student.save(tmp_path / "student"))
    np.testing.assert_allclose(
        again.predict_proba(texts[:9]), student.predict_proba(texts[:9]), atol=1e-5
    )
    assert not hasattr(COUNTS, "fitted_")


def test_probabilities_are_learnt_and_not_answers_alone(taught):
    teacher, texts = taught
    strong = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1e4))
    student = teacher.distill(texts, student=strong)
    wanted, found = sharpened(teacher.predict_proba(texts)), student.predict_proba(texts)
    answers = strong.fit(texts, teacher.predict(texts))
    unlike = np.abs(answers.predict_proba(texts) - wanted).mean()
    assert np.abs(found - wanted).mean() < 0.5 * unlike


def test_labels_that_are_known_are_learnt_too(taught, support):
    teacher, texts = taught
    known = Corpus(["zebra"] * 20 + ["quokka"] * 20, ["billing"] * 20 + ["how_to"] * 20)
    student = teacher.distill(texts, student=COUNTS, labelled=known)
    assert student.predict(["zebra", "quokka"]).tolist() == ["billing", "how_to"]
    assert student.predict_proba(["zebra", "quokka"]).max(axis=1).min() > 0.5


def test_a_student_can_be_described_by_names(taught):
    teacher, texts = taught
    names = TextClassifier("tfidf", transfer="frozen", head="logistic")
    by_names, student = (teacher.distill(texts[:90], student=blank) for blank in (names, COUNTS))
    np.testing.assert_array_equal(by_names.predict_proba(texts), student.predict_proba(texts))


def test_by_default_it_pools_word_vectors(taught, vectors_file, monkeypatch):
    monkeypatch.setattr(students, "StaticEncoder", lambda: StaticEncoder(vectors_file))
    teacher, texts = taught
    student = teacher.distill(texts[:60])
    assert student.encoder == StaticEncoder(vectors_file)
    assert student.predict(texts).shape == (len(texts),)


def test_a_tuned_student_learns_the_answers(taught, tiny_encoder):
    teacher, texts = taught
    quick = TrainingConfig(max_steps=2)
    blank = TextClassifier(tiny_encoder, transfer=FullFineTune(), training=quick)
    student = teacher.distill(texts[:60], student=blank)
    assert student.history_ is not None
    assert set(student.classes_) <= set(teacher.classes_)


def test_several_labels_and_numbers_are_taught_as_answers(few):
    texts = few[0]
    several = [["a"], ["a", "b"], [], ["b"]] * 10
    teacher = TextClassifier(TfidfEncoder()).fit(texts, several)
    assert isinstance(teacher.distill(texts, student=COUNTS).predict(texts)[0], list)
    marks = np.array([[1, 0, 1], [0, 1, 0]] * 20)
    teacher = TextClassifier(TfidfEncoder()).fit(texts, marks)
    student = teacher.distill(texts, student=COUNTS, labelled=Corpus(texts, marks))
    assert student.predict(texts).shape == (40, 3)
    with pytest.raises(InputError, match="zeros and ones of shape"):
        teacher.distill(texts, student=COUNTS, labelled=Corpus(texts[:2], ["a", "b"]))
    numbers = TextRegressor(TfidfEncoder()).fit(texts, np.arange(40.0))
    known, blank = Corpus(texts[:2], [0.0, 1.0]), TextRegressor(TfidfEncoder())
    student = numbers.distill(texts, student=blank, labelled=known)
    assert np.corrcoef(student.predict(texts), numbers.predict(texts))[0, 1] > 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"transfer": Auto(1.0)},
        {"transfer": [WordEdits(copies=1)]},
        {"imbalance": "balanced"},
        {"head": PrototypeHead()},
    ],
)
def test_what_a_student_was_asked_for_is_not_left_out(taught, vectors_file, options):
    teacher, texts = taught
    blank = TextClassifier(StaticEncoder(vectors_file), **options)
    assert not students._learns_shares(teacher, blank)
    assert teacher.distill(texts[:60], student=blank).predict(texts[:3]).shape == (3,)


def test_a_fusion_is_trained_as_it_was_asked_for(taught, vectors_file):
    teacher, texts = taught
    both = FusedEncoder((StaticEncoder(vectors_file),) * 2, fusion=ResidualFusion(width=8))
    blank = TextClassifier(both, training=TrainingConfig(epochs=1))
    assert teacher.distill(texts[:60], student=blank).history_ is not None


def test_one_class_among_the_texts_is_enough(taught):
    teacher, texts = taught
    one = [t for t in texts if teacher.predict([t])[0] == "billing"][:12]
    student = teacher.distill(one, student=COUNTS)
    assert set(student.predict(one)) == {"billing"}
    assert len(student.classes_) == 8


def test_bad_students_are_refused(taught):
    teacher, texts = taught
    with pytest.raises(ConfigError, match="teaches a TextClassifier, got TextRegressor"):
        teacher.distill(texts, student=TextRegressor())
    with pytest.raises(InputError, match="got an empty list"):
        teacher.distill([])
    with pytest.raises(InputError, match="labelled must be a Corpus with labels"):
        teacher.distill(texts, labelled=Corpus(texts))
    with pytest.raises(InputError, match="trained on single texts"):
        teacher.distill([("a", "b")])


def test_a_student_may_know_names_itself(taught, tiny_encoder):
    teacher, texts = taught
    blank = TextClassifier(tiny_encoder, transfer=LabelMeaning())
    student = teacher.distill(texts[:80], student=blank)
    assert student.predict(texts[:3]).shape == (3,)


def test_classes_that_the_teacher_never_gives_are_named(taught, caplog):
    teacher, texts = taught
    chosen = [text for text in texts if teacher.predict([text])[0] in ("billing", "privacy")]
    student = teacher.distill(chosen, student=TextClassifier(TfidfEncoder(), imbalance="balanced"))
    assert student.classes_.tolist() == ["billing", "privacy"]
    assert "'how_to'" in caplog.text and "so the student cannot predict" in caplog.text


def test_labels_that_are_never_given_are_named_for_several_labels_too(few, caplog):
    several = [["a"], ["a", "b"], ["b"], ["rare"]] * 10
    teacher = TextClassifier(TfidfEncoder()).fit(few[0], several)
    texts = [text for text in few[0] if "rare" not in teacher.predict([text])[0]]
    teacher.distill(texts, student=COUNTS)
    assert "the classes 'rare' for none" in caplog.text


def test_a_student_of_named_columns_has_their_names():
    texts = ["red car", "blue car", "red bus", "blue bus"] * 6
    table = pd.DataFrame([[1, 0], [0, 1], [1, 1], [0, 0]] * 6, columns=["red", "bus"])
    student = (
        TextClassifier(TfidfEncoder())
        .fit(texts, table)
        .distill(texts, student=COUNTS, labelled=Corpus(texts, table[["bus", "red"]]))
    )
    assert student.classes_.tolist() == ["red", "bus"]
    assert student.predict(texts).tolist() == table.to_numpy().tolist()

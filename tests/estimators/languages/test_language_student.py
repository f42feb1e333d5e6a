import numpy as np
import pytest
from sklearn.preprocessing import normalize

from nlptl import (
    Frozen,
    FullFineTune,
    StaticEncoder,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.encoders import Pooling
from nlptl.estimators.languages.language_student import LanguageStudent
from nlptl.transfer.features.language_distillation import LanguageDistillation

QUICK = TrainingConfig(epochs=12, batch_size=32, learning_rate=3e-3, quiet=True)


def cosines(left, right):
    return float((normalize(left) * normalize(right)).sum(axis=1).mean())


def mostly(known, words):
    return 2 * sum(word in known for word in words) > len(words)


@pytest.fixture(scope="module")
def teacher(tiny_encoder):
    return TransformerEncoder(tiny_encoder, precision="float32", cache=None)


@pytest.fixture(scope="module")
def pairs(teacher):
    """A language of half the words, and one that says the same with the other half."""
    words = [word for word in teacher.folder.tokenizer.get_vocab() if word.isalpha()]
    half = len(words) // 2
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, half, int(n)) for n in rng.integers(3, 8, 700)]
    return [
        (" ".join(words[i] for i in row), " ".join(words[i + half] for i in row)) for row in rows
    ]


@pytest.fixture(scope="module")
def student(teacher, pairs):
    return LanguageStudent(teacher, training=QUICK, device="cpu").fit({"new": pairs[:600]})


def test_translations_come_to_lie_where_the_sentences_do(student, teacher, pairs):
    before, after = student.before_["new"], student.after_["new"]
    assert before.rows == after.rows and 55 <= after.rows <= 60
    assert after.mean > before.mean + 0.3
    unseen = student.score(pairs[600:])
    assert unseen == pytest.approx(after.mean, abs=0.3) and unseen > 0.4
    asked = [target for _, target in pairs[600:]]
    sources = [source for source, _ in pairs[600:]]
    near = cosines(student.encoder_.transform(asked), teacher.transform(sources))
    assert near > 0.97 > cosines(teacher.transform(asked), teacher.transform(sources))


def test_sentences_of_the_teacher_stay_where_they_are(student, teacher, pairs):
    own = [source for source, _ in pairs[600:]]
    near = cosines(student.encoder_.transform(own), teacher.transform(own))
    assert near > 0.95
    left = LanguageStudent(teacher, keeps=0.0, training=QUICK, device="cpu").fit(pairs[:600])
    assert cosines(left.encoder_.transform(own), teacher.transform(own)) < near - 0.005
    assert set(left.after_) == {""}


def test_a_classifier_of_the_teacher_reads_the_new_language(student, teacher, pairs):
    known = set(sorted({word for source, _ in pairs for word in source.split()})[::2])
    labels = [mostly(known, source.split()) for source, _ in pairs]
    clf = TextClassifier(teacher, transfer=Frozen("top"))
    clf.fit([s for s, _ in pairs[:600]], labels[:600])
    reads = clf.with_encoder(student.encoder_)
    texts = [target for _, target in pairs[600:]]
    assert reads.score(texts, labels[600:]) > clf.score(texts, labels[600:]) + 0.15


def test_a_student_is_saved_as_an_encoder_that_others_read(student, pairs, tmp_path):
    folder = student.save(tmp_path / "student")
    texts = [target for _, target in pairs[:5]]
    again = TransformerEncoder(folder, precision="float32", cache=None)
    np.testing.assert_allclose(again.transform(texts), student.encoder_.transform(texts), atol=1e-5)
    assert (folder / "config.json").is_file()


def test_an_adapter_learns_a_language_too(teacher, pairs, tmp_path):
    few = TrainingConfig(max_steps=3, quiet=True)
    transfer = [LanguageDistillation(), "lora"]
    made = LanguageStudent(teacher, transfer=transfer, training=few, device="cpu").fit(pairs[:100])
    texts = [target for _, target in pairs[:5]]
    again = TransformerEncoder(made.save(tmp_path / "student"), precision="float32", cache=None)
    np.testing.assert_allclose(again.transform(texts), made.encoder_.transform(texts), atol=1e-5)
    assert np.abs(again.transform(texts) - teacher.transform(texts)).max() > 0


def test_what_reads_back_differently_is_not_saved(tiny_encoder, pairs, tmp_path):
    """A pooling that the user chose is in no file of the encoder."""
    chosen = TransformerEncoder(tiny_encoder, pooling=Pooling(tokens="max"), cache=None)
    few = TrainingConfig(max_steps=1, quiet=True)
    made = LanguageStudent(chosen, training=few, device="cpu").fit(pairs[:100])
    with pytest.raises(StorageError, match="other vectors"):
        made.save(tmp_path / "student")
    assert not (tmp_path / "student").exists()


def test_the_teacher_stays_as_it_is(student, teacher, tiny_encoder, pairs):
    texts = [source for source, _ in pairs[:5]]
    again = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    np.testing.assert_array_equal(teacher.transform(texts), again.transform(texts))


def test_the_same_seed_gives_the_same_student(teacher, pairs):
    few = TrainingConfig(max_steps=3, quiet=True)
    first, second = (
        LanguageStudent(teacher, training=few, device="cpu").fit(pairs[:100]) for _ in range(2)
    )
    other = LanguageStudent(teacher, training=few, seed=1, device="cpu").fit(pairs[:100])
    texts = [target for _, target in pairs[:5]]
    np.testing.assert_array_equal(first.encoder_.transform(texts), second.encoder_.transform(texts))
    assert np.abs(first.encoder_.transform(texts) - other.encoder_.transform(texts)).max() > 0


def test_only_some_layers_learn_where_that_is_asked_for(teacher, pairs):
    transfer = [LanguageDistillation(), FullFineTune(layers=1)]
    few = TrainingConfig(max_steps=3, quiet=True)
    made = LanguageStudent(teacher, transfer=transfer, training=few, device="cpu").fit(pairs[:100])
    own = made.encoder_.weights.model.state_dict()
    from nlptl.encoders.contextual.encoder_shelf import load_encoder

    before = load_encoder(teacher.folder, dtype="float32", device="cpu").model.state_dict()
    moved = {name for name in own if not np.array_equal(own[name].cpu(), before[name].cpu())}
    assert moved and all(".layer.2." in name for name in moved)


def test_what_cannot_teach_is_refused(teacher, vectors_file, pairs):
    with pytest.raises(ConfigError, match="Only a transformer"):
        LanguageStudent(StaticEncoder(vectors_file)).fit(pairs)
    with pytest.raises(ConfigError, match="more than one vector"):
        LanguageStudent(teacher.with_layers((-1, 0))).fit(pairs)
    for without in (FullFineTune(), "lora"):
        with pytest.raises(ConfigError, match="needs LanguageDistillation"):
            LanguageStudent(teacher, transfer=without).fit(pairs)
    with pytest.raises(ConfigError, match="keeps must"):
        LanguageStudent(teacher, keeps=-1).fit(pairs)
    with pytest.raises(ConfigError, match="keep='best'"):
        LanguageStudent(teacher, training=TrainingConfig(keep="best")).fit(pairs)
    with pytest.raises(InputError, match="No pair is left"):
        LanguageStudent(teacher).fit([("same", "Same!")])


@pytest.fixture
def turned(teacher, pairs):
    """The same sentences, and translations of letters that the teacher cannot read."""
    return [(source, target[::-1].upper() + " Q") for source, target in pairs]


def test_a_student_reads_words_its_teacher_cannot(teacher, pairs, turned, tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    few = TrainingConfig(max_steps=20, batch_size=32, learning_rate=1e-3, quiet=True)
    made = LanguageStudent(teacher, vocabulary=300, training=few, device="cpu").fit(turned[:600])
    plain = LanguageStudent(teacher, training=few, device="cpu").fit(turned[:600])
    assert made.after_[""].mean > plain.after_[""].mean + 0.3
    own = [source for source, _ in pairs[:40]]
    assert cosines(made.encoder_.transform(own), teacher.transform(own)) > 0.95
    assert not set(made.encoder_.folder.tokenizer.get_vocab()) <= set(
        teacher.folder.tokenizer.get_vocab()
    )
    again = TransformerEncoder(made.save(tmp_path / "student"), precision="float32", cache=None)
    texts = [target for _, target in turned[:5]]
    np.testing.assert_allclose(again.transform(texts), made.encoder_.transform(texts), atol=1e-5)
    kept = list((tmp_path / "cache" / "vocabularies").iterdir())
    LanguageStudent(teacher, vocabulary=300, training=few, device="cpu").fit(turned[:600])
    assert list((tmp_path / "cache" / "vocabularies").iterdir()) == kept


def test_a_folder_with_other_files_is_not_replaced(student, tmp_path):
    folder = student.save(tmp_path / "student")
    student.save(folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"also holds 'notes\.txt'"):
        student.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"

import numpy as np
import pytest
from sklearn.base import clone

from nlptl import StaticEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders.static.vector_formats import WordVectors
from nlptl.encoders.static.vector_store import VectorStore

TEXTS = ["the parcel came late", "help with password", "zebra"]


def test_vectors_have_length_one_or_zero(vectors_file):
    found = StaticEncoder(vectors_file).transform(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0], rtol=1e-5)


def test_several_poolings_stand_side_by_side(vectors_file):
    encoder = StaticEncoder(vectors_file, pooling=("mean", "sif", "max"))
    assert encoder.dim == 24
    found = encoder.transform(TEXTS)
    np.testing.assert_allclose(found[:, :8], StaticEncoder(vectors_file, "mean").transform(TEXTS))


def test_idf_is_learnt_from_text_and_rare_words_weigh_more(vectors_file):
    spec = StaticEncoder(vectors_file, "idf")
    with pytest.raises(InputError, match="Use the encoder that fit"):
        spec.transform(TEXTS)
    fitted = spec.fit(["the parcel", "the box", "the card"])
    mixed, rare, common = fitted.transform(["the parcel", "parcel", "the"])
    assert mixed @ rare > mixed @ common
    assert spec.idf is None


def test_the_order_and_the_number_of_texts_do_not_matter(vectors_file, monkeypatch):
    encoder = StaticEncoder(vectors_file)
    whole = encoder.transform(TEXTS * 5)
    monkeypatch.setattr("nlptl.encoders.static.static_encoder._BLOCK", 4)
    np.testing.assert_allclose(encoder.transform(TEXTS * 5), whole, atol=1e-6)
    np.testing.assert_allclose(encoder.transform(TEXTS[::-1])[::-1], whole[:3], atol=1e-6)
    assert encoder.transform([]).shape == (0, 8)


def test_what_is_saved_encodes_alike(vectors_file, tmp_path):
    encoder = StaticEncoder(vectors_file, ("idf", "max")).fit(TEXTS)
    again = StaticEncoder.load(tmp_path, encoder.save(tmp_path))
    np.testing.assert_array_equal(again.transform(TEXTS), encoder.transform(TEXTS))


def test_a_clone_copies_no_vectors(vectors_file):
    encoder = StaticEncoder(vectors_file).fit(TEXTS)
    copy = clone(encoder)
    assert copy == encoder
    assert all(vars(copy)[name] is value for name, value in vars(encoder).items())


def test_bad_input_is_named(vectors_file):
    with pytest.raises(ConfigError, match="'men'. Did you mean 'mean'"):
        StaticEncoder(vectors_file, "men")
    with pytest.raises(InputError, match="got one string 'a text'"):
        StaticEncoder(vectors_file).transform("a text")


def test_a_saved_encoder_of_an_earlier_version_cuts_words_as_it_was_trained(tmp_path):
    path = tmp_path / "hindi.vec"
    path.write_text("2 2\nहिन 1 0\nह 0 1\n", encoding="utf-8")
    encoder = StaticEncoder(path, "mean", cache=None).fit([])
    assert encoder.transform(["हिन"]).tolist() == [[1, 0]]
    (tmp_path / "saved").mkdir()
    described = encoder.save(tmp_path / "saved")
    assert StaticEncoder.load(tmp_path / "saved", described).transform(["हिन"]).tolist() == [[1, 0]]
    del described["keeps_marks"]
    assert StaticEncoder.load(tmp_path / "saved", described).transform(["हिन"]).tolist() == [[0, 1]]


def test_a_relative_file_is_found_after_a_change_of_folder(vectors_file, tmp_path, monkeypatch):
    monkeypatch.chdir(vectors_file.parent)
    encoder = StaticEncoder(vectors_file.name, cache=None)
    monkeypatch.chdir(tmp_path)
    assert encoder.transform(["the parcel"]).any()


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("distilled from user/encoder", "user/encoder"),
        ("distilled from encoder", None),
        ("glove/6B", None),
    ],
)
def test_distilled_vectors_name_their_encoder_on_the_hub(name, origin):
    words = WordVectors(["tea"], np.ones((1, 4), dtype=np.float32))
    assert StaticEncoder(VectorStore.of_words(words, name=name)).origin == origin

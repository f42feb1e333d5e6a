import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from nlptl import TextClassifier, TransformerEncoder
from nlptl.base.errors import ConfigError, EncoderNotFoundError, InputError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual import transformer_encoder as module

TEXTS = ["the parcel came late", "help", "cancel my contract please", "help"]
LONG = " ".join(["the parcel came late and the box was broken"] * 20)


@pytest.fixture
def encoder(tiny_encoder):
    return TransformerEncoder(tiny_encoder, cache=None, precision="float32")


def test_vectors_are_float32_one_row_a_text_in_order(encoder):
    found = encoder.transform(TEXTS)
    assert found.shape == (4, 32) == (4, encoder.dim)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[1], found[3])
    np.testing.assert_allclose(encoder.transform(TEXTS[::-1])[::-1], found, atol=1e-5)
    assert encoder.transform([]).shape == (0, 32)


def test_layers_are_named_groups_of_length_one(encoder):
    several = encoder.with_layers((1, -1))
    assert several.groups == (("layer 1", 32), ("layer 3", 32))
    found = several.transform(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found[:, :32], axis=1), 1, rtol=1e-5)
    plain = encoder.transform(TEXTS)
    last = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, 32:], last, atol=1e-5)


def test_a_reduction_is_learnt_from_text_and_the_spec_left_alone(tiny_encoder):
    spec = TransformerEncoder(tiny_encoder, Pooling(dimension=3), cache=None)
    with pytest.raises(InputError, match="Use the encoder that fit"):
        spec.transform(TEXTS)
    fitted = spec.fit(TEXTS)
    assert fitted.transform(TEXTS).shape == (4, 3)
    assert fitted.groups == (("reduced", 3),)
    assert spec.projection is None


def test_the_end_of_a_long_text_counts_unless_it_is_cut(tiny_encoder):
    ends = [f"{LONG} password", f"{LONG} calendar"]
    windows = TransformerEncoder(tiny_encoder, cache=None).transform(ends)
    cut = TransformerEncoder(tiny_encoder, cache=None, long_texts="cut").transform(ends)
    assert not np.allclose(windows[0], windows[1])
    np.testing.assert_array_equal(cut[0], cut[1])


def test_half_precision_gives_the_same_with_and_without_a_cache(tiny_encoder, tmp_path):
    fresh = TransformerEncoder(tiny_encoder, cache=None, precision="bfloat16").transform(TEXTS)
    cached = TransformerEncoder(tiny_encoder, cache=tmp_path, precision="bfloat16")
    cached.transform(TEXTS)
    np.testing.assert_array_equal(cached.transform(TEXTS), fresh)


def test_what_was_seen_is_not_encoded_again(tiny_encoder, tmp_path, monkeypatch):
    encoder = TransformerEncoder(tiny_encoder, cache=tmp_path)
    first = encoder.transform(TEXTS)
    monkeypatch.setattr(TransformerEncoder, "_encode", None)
    np.testing.assert_array_equal(encoder.transform(TEXTS), first)


@pytest.mark.parametrize(
    "other",
    [
        {"pooling": Pooling("cls")},
        {"precision": "bfloat16"},
        {"max_length": 8},
        {"long_texts": "cut"},
    ],
)
def test_another_way_to_encode_never_takes_the_vectors_of_this_one(
    tiny_encoder, tmp_path, monkeypatch, other
):
    TransformerEncoder(tiny_encoder, cache=tmp_path, precision="float32").transform(TEXTS)
    asked = []
    encode = TransformerEncoder._encode
    monkeypatch.setattr(
        TransformerEncoder, "_encode", lambda self, *a: asked.append(1) or encode(self, *a)
    )
    options = {"precision": "float32", **other}
    TransformerEncoder(tiny_encoder, cache=tmp_path, **options).transform(TEXTS)
    assert asked


def test_what_is_saved_encodes_alike_and_is_complete(tiny_encoder, tmp_path):
    spec = TransformerEncoder(
        tiny_encoder, Pooling("max", (1, -1), "mean", 4), long_texts="cut", precision="float32"
    )
    fitted = spec.fit(TEXTS)
    again = TransformerEncoder.load(tmp_path, fitted.save(tmp_path))
    np.testing.assert_allclose(again.transform(TEXTS), fitted.transform(TEXTS), atol=1e-6)
    assert (again.pooling, again.long_texts, again.precision) == (spec.pooling, "cut", "float32")
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_a_clone_is_equal_and_works_in_a_pipeline(encoder):
    assert clone(encoder) == encoder and clone(encoder) is not encoder
    model = make_pipeline(encoder, LogisticRegression()).fit(TEXTS, [0, 1, 0, 1])
    assert model.predict(["help"]).tolist() == [1]


def test_the_prompt_of_the_folder_stands_before_every_text(tiny_encoder, tmp_path):
    import json
    import shutil

    shutil.copytree(tiny_encoder, tmp_path / "enc")
    (tmp_path / "enc" / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"q": "please "}, "default_prompt_name": "q"})
    )
    prompted = TransformerEncoder(tmp_path / "enc", cache=None, precision="float32")
    plain = TransformerEncoder(tiny_encoder, cache=None, precision="float32")
    np.testing.assert_allclose(
        prompted.transform(["help"]), plain.transform(["please help"]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "float16"}, "precision='float16' is not known"),
        ({"long_texts": "window"}, "Did you mean 'windows'"),
        ({"max_length": 3}, "at least 8 tokens, got 3"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        TransformerEncoder(**options)


def test_bad_calls_are_named(encoder):
    with pytest.raises(InputError, match="got one string"):
        encoder.transform("the parcel")
    with pytest.raises(EncoderNotFoundError, match="someone/nothing"):
        TransformerEncoder("someone/nothing", cache=None).transform(["a"])


def test_the_real_encoder_tells_near_from_far():
    first, near, far = TransformerEncoder(cache=None).transform(
        ["A man is eating food.", "A man is eating a piece of bread.", "The girl plays the piano."]
    )
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-3)
    assert first @ near > 0.6 > 0.2 > first @ far


def test_layers_and_dimensions_that_are_not_there_are_named(tiny_encoder):
    deep = TransformerEncoder(tiny_encoder, pooling=Pooling(layers=(9,)), cache=None)
    with pytest.raises(ConfigError, match="no layer 9: .* has layers 0 to 3"):
        deep.transform(["help"])
    wide = TransformerEncoder(tiny_encoder, pooling=Pooling(dimension=99), cache=None)
    with pytest.raises(ConfigError, match="must not exceed the 32 columns"):
        wide.fit(TEXTS)


def test_a_series_in_any_order_gives_the_same(tiny_encoder, tmp_path):
    import pandas as pd

    shuffled = pd.Series(TEXTS, index=[3, 0, 2, 1])
    encoder = TransformerEncoder(tiny_encoder, cache=tmp_path, precision="float32")
    plain = TransformerEncoder(tiny_encoder, cache=None, precision="float32").transform(TEXTS)
    np.testing.assert_allclose(encoder.transform(shuffled), plain, atol=1e-6)
    np.testing.assert_allclose(encoder.transform(TEXTS), plain, atol=1e-6)


@pytest.mark.parametrize("named", [str, TransformerEncoder])
def test_a_relative_folder_is_found_after_a_change_of_folder(
    tiny_encoder, few, tmp_path, monkeypatch, named
):
    monkeypatch.chdir(tiny_encoder.parent)
    model = TextClassifier(named(tiny_encoder.name)).fit(*few)
    expected = model.predict(few[0]).tolist()
    monkeypatch.chdir(tmp_path)
    (tmp_path / tiny_encoder.name).mkdir()  # of the same name, and no encoder
    assert model.predict(few[0]).tolist() == expected
    model.save(tmp_path / "model")
    assert TextClassifier.load(tmp_path / "model").predict(few[0]).tolist() == expected


def test_an_open_encoder_looks_up_its_folder_once(tiny_encoder, tmp_path, monkeypatch):
    copy = shutil.copytree(tiny_encoder, tmp_path / "copy")
    spec = TransformerEncoder(copy, cache=None, precision="float32")
    encoder = spec.open()
    assert encoder.open() is encoder and encoder == spec
    vectors = encoder.transform(["a parcel"])
    monkeypatch.setattr(module, "find_encoder", lambda *_, **__: pytest.fail("looked up again"))
    np.testing.assert_array_equal(encoder.transform(["a parcel"]), vectors)
    assert encoder.groups == (("sentence", 32),) and encoder.reader.window == 32
    monkeypatch.undo()
    for closed in (replace(encoder, max_length=16), pickle.loads(pickle.dumps(encoder))):
        assert closed.open() is not closed
    shutil.rmtree(copy)
    np.testing.assert_array_equal(encoder.transform(["a parcel"]), vectors)


def test_a_projection_is_fitted_to_rows_of_the_whole_list(tiny_encoder, monkeypatch):
    monkeypatch.setattr(module, "_SAMPLE", 20)
    seen = []
    monkeypatch.setattr(
        TransformerEncoder,
        "_unreduced",
        lambda _, texts: seen.extend(texts) or np.random.default_rng(0).normal(size=(20, 32)),
    )
    spec = TransformerEncoder(tiny_encoder, Pooling(dimension=3), cache=None)
    spec.fit(["first"] * 100 + ["second"] * 100)
    assert len(seen) == 20 and {"first", "second"} == set(seen)

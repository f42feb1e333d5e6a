import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm, Pooling
from tokenizers import Tokenizer, normalizers
from torch import nn, random

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError, EncoderNotFoundError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from tests.conftest import make_encoder

TEXTS = ["The parcel came late!", "please reset my password", "Great great app"]


def vectors_of(folder):
    return TransformerEncoder(folder, cache=None, precision="float32", device="cpu").transform(
        TEXTS
    )


@pytest.fixture
def cased(tmp_path):
    """An encoder that tells capital letters from small ones."""
    folder = make_encoder(tmp_path / "cased")
    described = Tokenizer.from_file(str(folder / "tokenizer.json"))
    described.normalizer = normalizers.NFC()
    described.save(str(folder / "tokenizer.json"))
    return folder


def written(folder, *after, mode="mean", **options):
    """The folder that sentence-transformers writes of some modules."""
    modules = [Transformer(str(folder)), Pooling(32, mode), *after]
    target = folder.parent / "written"
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(target))
    return target


def dense(seed, n_in, n_out, activation):
    with random.fork_rng():
        random.manual_seed(seed)
        return Dense(n_in, n_out, activation_function=activation)


@pytest.mark.parametrize(
    "case",
    [
        ("mean", []),
        ("cls", [Normalize()]),
        ("max", [Dropout(0.5), Normalize()]),
        ("mean", [dense(0, 32, 8, nn.Tanh()), Normalize()]),
        ("mean", [dense(0, 32, 24, nn.GELU()), dense(1, 24, 6, nn.Identity())]),
        ("mean", [Normalize(), dense(0, 32, 8, nn.ReLU())]),
        ("cls", [LayerNorm(32), Normalize(), dense(0, 32, 8, nn.Sigmoid()), Normalize()]),
    ],
    ids=lambda case: f"{case[0]} {' '.join(type(module).__name__ for module in case[1])}",
)
def test_vectors_are_those_of_sentence_transformers(cased, case):
    mode, after = case
    prompted = {"prompts": {"q": "help with "}, "default_prompt_name": "q"}
    folder = written(cased, *after, mode=mode, **prompted)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors_of(folder), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_roberta_config.json"])
def test_texts_are_read_in_lower_case_where_the_settings_ask_for_it(cased, name):
    folder = written(cased)
    assert np.abs(vectors_of(folder)[0] - vectors_of(cased)[0]).max() < 1e-6
    (folder / "sentence_bert_config.json").unlink()
    (folder / name).write_text(json.dumps({"max_seq_length": 16, "do_lower_case": True}))
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors_of(folder), expected, atol=2e-6)
    assert find_encoder(folder).tokenization.window == 16


def change(folder, file, **settings):
    path = folder / file
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, **settings}))


@pytest.mark.parametrize(
    ("file", "settings", "named"),
    [
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer_task"),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"a": 1}}}, "processing_kw"),
        ("sentence_bert_config.json", {"tokenizer_args": {"a": 1}}, "tokenizer_args"),
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {"method": "get_text_features"}}},
            "get_text_features",
        ),
        ("config_sentence_transformers.json", {"truncate_dim": 8}, "truncate_dim"),
        ("config_sentence_transformers.json", {"default_prompt_name": "x"}, "default_prompt_name"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"q": "a" * 10_001}, "default_prompt_name": "q"},
            "at most 10,000 for its prompt",
        ),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "module_input_name"),
        ("2_Dense/config.json", {"activation_function": "os.system"}, "os.system"),
        ("2_Dense/config.json", {"out_features": 9}, "do not fit"),
    ],
)
def test_a_setting_that_would_change_vectors_is_refused_by_name(cased, file, settings, named):
    folder = written(cased, dense(0, 32, 8, nn.Tanh()))
    change(folder, file, **settings)
    with pytest.raises(EncoderNotFoundError, match=named):
        vectors_of(folder)


@pytest.mark.parametrize(
    "kind",
    ["WordWeights", "CNN", "LSTM", "BoW", "Router", "Asym", "WeightedLayerPooling", "Pooling"],
)
def test_a_module_that_is_not_read_is_refused_by_name(cased, kind):
    folder = written(cased)
    modules = json.loads((folder / "modules.json").read_text())
    modules.append(
        {"idx": 2, "name": "2", "path": "2_More", "type": f"sentence_transformers.{kind}"}
    )
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderNotFoundError, match=f"has '{kind}' at position 2"):
        vectors_of(folder)


def test_a_pooling_that_leaves_the_prompt_out_is_refused_where_there_is_a_prompt(cased):
    folder = written(cased)
    plain = vectors_of(folder)
    change(folder, "1_Pooling/config.json", include_prompt=False)
    np.testing.assert_array_equal(vectors_of(folder), plain)
    prompts = {"prompts": {"q": "help "}, "default_prompt_name": "q"}
    change(folder, "config_sentence_transformers.json", **prompts)
    with pytest.raises(ConfigError, match="include_prompt"):
        vectors_of(folder)


def test_the_modules_of_a_cross_encoder_do_not_hinder_its_use_as_an_encoder(cased):
    folder = written(cased)
    change(folder, "config_sentence_transformers.json", model_type="CrossEncoder")
    assert not find_encoder(folder).sentence.has_pooling
    assert vectors_of(folder).shape == (3, 32)

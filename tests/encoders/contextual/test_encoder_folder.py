import json
import shutil

import pytest

from nlptl.base.errors import ConfigError, EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual import encoder_folder as folders
from nlptl.encoders.contextual.encoder_folder import (
    DEFAULT_ENCODER,
    EncoderFolder,
    find_encoder,
)


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    return tmp_path / "enc"


def test_a_plain_folder_is_mean_pooled_with_its_own_window(tiny_encoder):
    found = find_encoder(tiny_encoder)
    stated = found.sentence
    assert (stated.pooling.tokens, stated.pooling.normalize, stated.prompt) == ("mean", False, "")
    assert stated.layers_after_pooling == []
    assert (found.hidden_size, found.n_layers, found.tokenization.window) == (32, 3, 32)


def test_a_sentence_folder_says_how_it_wants_to_be_used(copy):
    (copy / "1_Pooling").mkdir()
    (copy / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
    ]
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    (copy / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": "query"})
    )
    found = find_encoder(copy)
    stated, pooling = found.sentence, found.sentence.pooling
    assert (pooling.tokens, pooling.normalize, stated.prompt) == ("cls", True, "query: ")
    assert stated.max_length == 20
    assert found.tokenization.window == 20


def test_the_default_encoder_is_the_official_file():
    found = find_encoder(None)
    assert found.name == DEFAULT_ENCODER
    pooling = found.sentence.pooling
    assert (pooling.tokens, pooling.normalize) == ("mean", True)
    assert found.tokenization.window == 256
    assert (found.hidden_size, found.n_layers) == (384, 6)


def test_a_changed_package_is_refused(monkeypatch):
    monkeypatch.setattr(folders, "_DEFAULT_SHA256", "0" * 64)
    with pytest.raises(IntegrityError, match="not the official file.*force-reinstall"):
        find_encoder(None)


def test_the_fingerprint_follows_the_content_not_the_place(tiny_encoder, copy):
    assert find_encoder(copy).fingerprint == find_encoder(tiny_encoder).fingerprint
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    assert find_encoder(copy).fingerprint != find_encoder(tiny_encoder).fingerprint
    assert find_encoder(copy).tokenization.window == 9


def test_one_folder_is_one_object_with_one_tokenizer(tiny_encoder):
    assert find_encoder(tiny_encoder) is find_encoder(str(tiny_encoder))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "someone/no-such-encoder",
            "such-encoder' is not a local folder.*Check the name",
        ),
        ("./nowhere", "There is no folder './nowhere'"),
        ("/nowhere/at/all", "There is no folder"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_do(name, said):
    with pytest.raises(EncoderNotFoundError, match=said):
        find_encoder(name)


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(EncoderNotFoundError, match=r"no config\.json"):
        find_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "unheard-of"}')
    with pytest.raises(EncoderNotFoundError, match="no encoder that transformers supports"):
        _ = EncoderFolder("x", tmp_path).config


def test_a_download_whose_bytes_changed_is_refused(tmp_path):
    blob = tmp_path / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(b"not what was published")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(blob)
    with pytest.raises(IntegrityError, match="differs from the published file"):
        folders._check_download(tmp_path / "snapshot")


@pytest.mark.parametrize(
    "stated",
    [
        {"pooling_mode": "lasttoken"},
        {"pooling_mode_weightedmean_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
    ],
)
def test_a_pooling_that_is_not_known_is_refused_not_replaced(copy, stated):
    (copy / "1_Pooling").mkdir()
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ConfigError, match="which is not supported. Choose one of mean, cls, max"):
        _ = find_encoder(copy).sentence.pooling


def test_only_what_belongs_to_the_encoder_counts_as_its_files(copy):
    (copy / "checkpoint-5").mkdir()
    (copy / "checkpoint-5" / "model.safetensors").write_bytes(b"x")
    (copy / "training_args.bin").write_bytes(b"x")
    assert {path.name for path in find_encoder(copy).files} >= {"config.json", "model.safetensors"}
    assert not [p for p in find_encoder(copy).files if "checkpoint" in str(p) or p.suffix == ".bin"]


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer"])
def test_a_tokenizer_that_may_take_for_ever_is_refused(copy, part):
    made = {"pattern": {"Regex": "(a+)+$"}}
    made |= {"type": "Replace", "content": ""} if part == "normalizer" else {"type": "Split"}
    made |= {} if part == "normalizer" else {"behavior": "Isolated", "invert": False}
    path = copy / "tokenizer.json"
    whole = json.loads(path.read_text())
    inner = "normalizers" if part == "normalizer" else "pretokenizers"
    whole[part] = {"type": "Sequence", inner: [made]}
    path.write_text(json.dumps(whole))
    with pytest.raises(EncoderNotFoundError, match="regular expression .*may take for ever"):
        _ = find_encoder(copy).tokenizer


def test_a_malformed_tokenizer_is_one_error(copy):
    for text in ("[" * 100_000, "{}", "1", '{"model": 5}'):
        (copy / "tokenizer.json").write_text(text)
        with pytest.raises(EncoderNotFoundError, match="has no usable tokenizer"):
            _ = find_encoder(copy).tokenizer

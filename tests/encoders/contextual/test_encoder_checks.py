import json
import shutil

import pytest

from nlptl.base.errors import ConfigError, EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual.encoder_checks import (
    check_files,
    contained,
    foreign_errors,
    read_json,
    sentence_modules,
    weight_files,
)
from nlptl.encoders.contextual.encoder_folder import find_encoder

DEEP = "[" * 100_000


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    return tmp_path / "enc"


def change(folder, file="config.json", **entries):
    path = folder / file
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**settings, **entries}))


@pytest.mark.parametrize(
    "entries",
    [
        {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}},
        {"model_type": "own", "auto_map": {"AutoConfig": "somebody/code--own.Own"}},
        {"auto_map": {"AutoModel": "own.Own"}},
        {"text_config": {"auto_map": {"AutoModel": "own.Own"}}},
        {"parts": [{"auto_map": ["own.Own", None]}]},
    ],
)
def test_an_encoder_with_code_of_its_own_is_refused(copy, entries):
    (copy / "own.py").write_text("raise SystemExit('code of the folder was run')")
    change(copy, **entries)
    with pytest.raises(EncoderNotFoundError, match="needs custom code.*never runs code"):
        find_encoder(copy)


def test_a_tokenizer_with_code_of_its_own_is_refused(copy):
    change(copy, "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", None]})
    with pytest.raises(EncoderNotFoundError, match=r"tokenizer_config\.json: auto_map"):
        find_encoder(copy)


def test_a_family_that_transformers_has_itself_needs_no_code(copy):
    change(copy, auto_map={"AutoConfig": "somebody/code--own.Own"})
    assert find_encoder(copy).config.model_type == "bert"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"_attn_implementation": "kernels-community/flash-attn"}, "not part of transformers"),
        ({"attn_implementation": {"": "somebody/kernel"}}, "not part of transformers"),
        ({"text_config": {"experts_implementation": "a/b"}}, "not part of transformers"),
        ({"quantization_config": {"quant_method": "gptq"}}, "not in its folder"),
        ({"transformers_weights": "../other.safetensors"}, "not in its folder"),
        ({"configuration_files": ["config.4.0.0.json"]}, "not in its folder"),
        ({"backbone": "somebody/x", "use_pretrained_backbone": True}, "not in its folder"),
        ({"use_kernels": True}, "not in its folder"),
        ({"num_hidden_layers": 10**9}, "more than 1,000 layers or other parts"),
        ({"block_sizes": [1, 10**9]}, "more than 1,000 layers or other parts"),
        ({"num_labels": 10**9}, "more than 1,000,000 labels"),
        ({"layer_norm_eps": -1.0}, "normalisation constant"),
        ({"text_config": {"rms_norm_eps": float("nan")}}, "normalisation constant"),
    ],
)
def test_settings_that_lead_out_of_the_folder_or_are_too_large_are_refused(copy, entries, reason):
    change(copy, **entries)
    with pytest.raises(EncoderNotFoundError, match=reason):
        check_files(copy, "x")


def test_settings_that_say_nothing_or_name_attention_of_transformers_are_accepted(copy):
    quiet = {"quantization_config": None, "auto_map": {}, "use_kernels": False}
    change(copy, _attn_implementation="sdpa", attn_implementation=None, **quiet)
    change(copy, name_or_path="somebody/encoder", _name_or_path="somebody/encoder")
    check_files(copy, "x")


@pytest.mark.parametrize("kind", ["evil.module.Tokenizer", "AutoTokenizer", "pipeline", 5])
def test_a_tokenizer_class_from_elsewhere_is_refused(copy, kind):
    change(copy, "tokenizer_config.json", tokenizer_class=kind)
    with pytest.raises(EncoderNotFoundError, match="tokenizer that is not part of transformers"):
        check_files(copy, "x")


def test_files_of_a_tokenizer_outside_of_the_folder_are_refused(copy, tmp_path):
    (tmp_path / "words.txt").write_text("a")
    for place in ("../words.txt", str(tmp_path / "words.txt")):
        change(copy, "tokenizer_config.json", vocab_file=place)
        with pytest.raises(IntegrityError, match=r"words\.txt.*outside of its folder"):
            check_files(copy, "x")
    change(copy, "tokenizer_config.json", vocab_file="/nowhere/words.txt")  # a trace of its maker
    check_files(copy, "x")


@pytest.mark.parametrize("place", ["..", "../other", "/etc", "a/../../b", "~", "link"])
def test_a_module_outside_of_the_folder_is_refused_by_name(copy, tmp_path, place):
    (tmp_path / "other").mkdir()
    (copy / "link").symlink_to(tmp_path / "other", target_is_directory=True)
    modules = [{"type": "m.Pooling", "path": place}]
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(IntegrityError, match="names '.*outside of its folder"):
        find_encoder(copy)


def test_files_may_be_links_and_so_may_the_folder_as_in_the_cache_of_the_hub(copy, tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for path in copy.iterdir():
        (snapshot / path.name).symlink_to(path)
    (snapshot / "1_Pooling").mkdir()
    (tmp_path / "latest").symlink_to(snapshot, target_is_directory=True)
    change(snapshot, "modules.json")
    modules = [{"type": "m.Transformer", "path": ""}, {"type": "m.Pooling", "path": "1_Pooling"}]
    (snapshot / "modules.json").write_text(json.dumps(modules))
    found = find_encoder(tmp_path / "latest")
    assert found.sentence.has_pooling and found.hidden_size == 32
    assert sentence_modules(snapshot)[1] == ("Pooling", snapshot / "1_Pooling")


def test_shards_outside_of_the_folder_or_missing_are_refused(copy):
    whole = copy / "model.safetensors"
    assert weight_files(copy) == [whole]
    whole.rename(copy.parent / "elsewhere.safetensors")
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(IntegrityError, match="'../elsewhere.safetensors', which lies outside"):
        find_encoder(copy)
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    with pytest.raises(IntegrityError, match="is missing"):
        check_files(copy, "x")
    index.write_text(json.dumps({"weight_map": [1]}))
    with pytest.raises(IntegrityError, match="must name a file for each weight"):
        check_files(copy, "x")


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "shard-00001-model-00001-of-1.safetensors"]
)
def test_what_transformers_would_read_in_place_of_the_weights_is_refused(copy, name):
    (copy / name).write_text("{}")
    with pytest.raises(EncoderNotFoundError, match="must hold complete weights"):
        find_encoder(copy)


@pytest.mark.parametrize(
    "file",
    ["config.json", "tokenizer_config.json", "sentence_bert_config.json", "modules.json"],
)
@pytest.mark.parametrize("text", [DEEP, "", "{{", "3", '["x"]'])
def test_json_of_the_wrong_shape_is_one_error(copy, file, text):
    (copy / file).write_text(text)
    with pytest.raises(IntegrityError, match=file):
        find_encoder(copy)


def test_json_that_is_not_there_is_empty(tmp_path):
    assert read_json(tmp_path / "nothing.json") == {}
    (tmp_path / "a.json").write_text('{"a": Infinity}')
    assert read_json(tmp_path / "a.json") == {"a": float("inf")}


def test_the_folder_itself_is_contained(tmp_path):
    assert contained(tmp_path, "") == tmp_path / ""
    assert contained(tmp_path, "a/b.json") == tmp_path / "a" / "b.json"


def test_errors_of_libraries_become_one_line():
    with pytest.raises(
        EncoderNotFoundError, match=r"^It fails \(RecursionError: first second\)\.$"
    ):
        with foreign_errors("It fails"):
            raise RecursionError("first\n  second")
    with pytest.raises(IntegrityError, match="It fails .MemoryError"):
        with foreign_errors("It fails", IntegrityError):
            raise MemoryError
    with pytest.raises(ConfigError, match="own"), foreign_errors("It fails"):
        raise ConfigError("own")
    with pytest.raises(KeyboardInterrupt), foreign_errors("It fails"):
        raise KeyboardInterrupt
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(EncoderNotFoundError, match="lost"), foreign_errors("It fails"):
        raise panic("lost")

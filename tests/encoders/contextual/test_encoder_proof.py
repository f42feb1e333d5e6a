import json
import shutil

import pytest

from nlptl import TextClassifier, TransformerEncoder
from nlptl.base.errors import EncoderNotFoundError, IntegrityError, StorageError
from nlptl.encoders.contextual import encoder_proof
from nlptl.encoders.contextual.encoder_proof import prove_encoder


@pytest.fixture(scope="module")
def model(tiny_encoder, tmp_path_factory):
    rows = ["money back please", "my card charged", "app crashes when open", "reset password"]
    fitted = TextClassifier(TransformerEncoder(tiny_encoder)).fit(rows * 4, list("aabb") * 4)
    return fitted.save(tmp_path_factory.mktemp("proof") / "model")


@pytest.fixture
def broken(model, tmp_path):
    """A copy of the model that may be changed, and the folder of its encoder."""
    shutil.copytree(model, tmp_path / "broken")
    return tmp_path / "broken"


def change(path, **entries):
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**settings, **entries}))


REGEX = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    ("file", "entries"),
    [
        ("config.json", {"hidden_size": "x"}),
        ("config.json", {"num_attention_heads": 0}),
        ("config.json", {"num_hidden_layers": 10**9}),
        ("config.json", {"num_hidden_layers": -3}),
        ("config.json", {"return_dict": False}),
        ("config.json", {"chunk_size_feed_forward": 5}),
        ("config.json", {"is_encoder_decoder": True}),
        ("config.json", {"attn_implementation": "somebody/kernel"}),
        ("config.json", {"quantization_config": {"quant_method": "bitsandbytes"}}),
        ("config.json", {"model_type": ["bert"]}),
        ("tokenizer.json", {"pre_tokenizer": REGEX}),
        ("tokenizer.json", {"normalizer": {"type": "nothing"}}),
        ("tokenizer.json", {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"}}),
        ("tokenizer.json", {"model": {"type": "WordLevel", "vocab": {"b": 999}, "unk_token": "b"}}),
        ("tokenizer_config.json", {"model_max_length": "x"}),
        ("tokenizer_config.json", {"pad_token": "never seen"}),
        ("tokenizer_config.json", {"added_tokens_decoder": 5}),
        ("sentence_bert_config.json", {"max_seq_length": "x"}),
        ("config_sentence_transformers.json", {"prompts": 5}),
    ],
)
def test_an_encoder_that_makes_no_sense_is_refused_when_it_is_loaded(broken, reseal, file, entries):
    change(broken / "encoder" / "encoder" / file, **entries)
    reseal(broken)
    with pytest.raises((StorageError, EncoderNotFoundError)):
        TextClassifier.load(broken)


def test_a_model_without_its_encoder_never_looks_for_one_elsewhere(broken, reseal, monkeypatch):
    shutil.rmtree(broken / "encoder" / "encoder")
    reseal(broken)
    monkeypatch.chdir(broken.parent)
    with pytest.raises(IntegrityError, match="is missing"):
        TextClassifier.load("broken")


def prove(encoder):
    prove_encoder(encoder.reader, encode=encoder.transform)


def test_an_encoder_is_proven_once_and_on_shapes_alone(model, monkeypatch):
    encoder = TransformerEncoder(model / "encoder" / "encoder")
    encoder_proof._PROVEN.clear()
    monkeypatch.setattr(TransformerEncoder, "transform", None)
    prove(encoder)
    monkeypatch.setattr(encoder_proof, "read_encoder", None)
    prove(encoder)


def test_where_shapes_do_not_suffice_a_text_is_read(model, monkeypatch):
    encoder = TransformerEncoder(model / "encoder" / "encoder", cache=None)
    encoder_proof._PROVEN.clear()

    def fail(*_arguments, **_options):
        raise NotImplementedError

    monkeypatch.setattr(encoder_proof, "_run_shapes", fail)
    read = []
    transform = TransformerEncoder.transform
    monkeypatch.setattr(
        TransformerEncoder, "transform", lambda self, texts: read.append(transform(self, texts))
    )
    prove(encoder)
    assert read[0].shape == (1, 32)


def test_every_family_can_be_proven(any_encoder):
    prove(TransformerEncoder(any_encoder))

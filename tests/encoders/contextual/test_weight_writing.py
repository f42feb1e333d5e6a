import numpy as np
import pytest
import torch
from transformers import AutoModel

from nlptl import (
    Contrastive,
    FullFineTune,
    LoRA,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.weight_writing import write_model
from tests.conftest import byte_encoder, make_encoder

TEXTS = ["great thank you", "very good app", "the parcel came late", "the box was broken"] * 2
LABELS = ["+", "+", "-", "-"] * 2
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
FAMILIES = {
    "t5": T5,
    "bart": BART,
    "mt5": T5,
    "umt5": T5,
    "longt5": {**T5, "local_radius": 5},
    "mbart": BART,
    "pegasus": BART,
    "m2m_100": BART,
    "marian": BART,
    "led": {**BART, "max_encoder_position_embeddings": 64, "attention_window": [8, 8]},
}
ALIKE = [pytest.param(name, marks=pytest.mark.slow) for name in list(FAMILIES)[2:]]


def saved_and_read(encoder, transfer, place):
    training = TrainingConfig(max_steps=2, quiet=True)
    model = TextClassifier(encoder, transfer=transfer, training=training, device="cpu")
    model.fit(TEXTS, LABELS).save(place)
    texts = [*TEXTS, "the parcel came late and the box was broken " * 12]
    expected = model.predict_proba(texts)
    np.testing.assert_allclose(TextClassifier.load(place).predict_proba(texts), expected, atol=1e-4)
    return model


@pytest.mark.parametrize(
    "transfer", [FullFineTune(), LoRA(), LoRA(merge=False), Contrastive(steps=2)]
)
@pytest.mark.parametrize("family", ["t5", "bart", *ALIKE])
def test_the_encoder_of_an_encoder_decoder_is_tuned_saved_and_read_back(tmp_path, family, transfer):
    options = {"decoder_start_token_id": 0, **FAMILIES[family]}
    folder = make_encoder(tmp_path / "e", window=None, family=family, **options)
    encoder = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
    saved_and_read(encoder, transfer, tmp_path / "m")


def test_a_tuned_encoder_over_bytes_is_saved_and_transformers_reads_its_decoder_too(tmp_path):
    folder = byte_encoder(tmp_path / "e")
    encoder = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
    model = saved_and_read(encoder, FullFineTune(), tmp_path / "m")
    (written,) = (path.parent for path in (tmp_path / "m").rglob("model.safetensors"))
    whole, before = (AutoModel.from_pretrained(place) for place in (written, folder))
    decoder = whole.decoder.state_dict()
    for name, part in before.decoder.state_dict().items():
        if "embed_tokens" not in name:  # shared with the encoder
            assert torch.equal(decoder[name], part)
    tuned = model.fitted_.features.encoder.weights.model.state_dict()
    assert all(torch.equal(part, tuned[n]) for n, part in whole.encoder.state_dict().items())


def test_the_classifier_of_an_encoder_decoder_is_refused_before_training(tmp_path):
    encoder = TransformerEncoder(
        byte_encoder(tmp_path / "e"), pooling=Pooling(tokens="stock", normalize=False), cache=None
    )
    with pytest.raises(EncoderNotFoundError, match="an encoder-decoder, of which nlptl uses"):
        TextClassifier(encoder, device="cpu").fit(TEXTS, LABELS)


def test_writing_prints_nothing(tiny_encoder, tmp_path, capfd):
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="float32", device="cpu")
    write_model(encoder.reader.loaded.model, encoder.folder, tmp_path)
    assert capfd.readouterr() == ("", "")

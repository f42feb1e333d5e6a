import numpy as np
import pytest
from transformers import AutoTokenizer

from nlptl import FullFineTune, TextClassifier, TrainingConfig, TransformerEncoder
from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import EncoderFolder, find_encoder
from nlptl.encoders.contextual.padding import padding_id
from tests.conftest import make_encoder

GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
TEXTS = ["great thank you", "the parcel came late and the box was broken", "bad", "very good app"]


@pytest.fixture
def decoder(tmp_path):
    """A decoder whose tokenizer and configuration have no padding token."""
    folder = make_encoder(tmp_path / "decoder", family="gpt2", pad_token_id=None, **GPT2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    return folder


def stock(folder):
    pooling = Pooling(tokens="stock", normalize=False)
    return TransformerEncoder(
        folder, pooling=pooling, cache=None, precision="float32", device="cpu"
    )


def test_a_decoder_is_padded_with_its_end_and_pools_the_last_token_of_each_text(decoder):
    encoder = stock(decoder)
    assert encoder.reader.padding == 3
    together = encoder.transform(TEXTS)
    alone = np.concatenate([encoder.transform([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_decoder_without_padding_is_tuned_saved_and_read_back(decoder, tmp_path):
    training = TrainingConfig(max_steps=2, quiet=True)
    model = TextClassifier(stock(decoder), transfer=FullFineTune(), training=training, device="cpu")
    model.fit(TEXTS, ["+", "-", "-", "+"]).save(tmp_path / "m")
    again = TextClassifier.load(tmp_path / "m")
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)


def test_a_classifier_of_transformers_needs_a_token_to_pad_with(decoder):
    found = EncoderFolder("x", decoder)
    found.config.eos_token_id = None
    assert padding_id(found, stock=False) == 0
    with pytest.raises(EncoderNotFoundError, match="needs a padding token or an end-of-text token"):
        padding_id(found, stock=True)


def test_the_padding_token_of_the_tokenizer_comes_first_but_for_classifiers(tiny_encoder):
    found = EncoderFolder("x", find_encoder(tiny_encoder).path)
    found.config.pad_token_id = 4
    assert (padding_id(found, stock=False), padding_id(found, stock=True)) == (0, 4)

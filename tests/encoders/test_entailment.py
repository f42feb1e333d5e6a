import shutil

import numpy as np
import pandas as pd
import pytest

from nlptl import LabelMeaning, LoRA, TextClassifier, TransformerEncoder
from nlptl.base.errors import ConfigError, EncoderNotFoundError, InputError, IntegrityError
from nlptl.encoders import EntailmentEncoder
from nlptl.encoders.registry import load_encoder_part, save_encoder_part

NAMES = {"post": "the parcel and the box", "money": "my card was charged"}
TEXTS = ["my card was charged twice", "the box", "where is my parcel ? it came late and broken"]


@pytest.fixture(scope="module")
def judge(tiny_encoder, tmp_path_factory):
    """A tiny cross-encoder with three labels, its weights random."""
    return made(tiny_encoder, tmp_path_factory.mktemp("nli"))


def made(tiny_encoder, folder, labels=("contradiction", "ENTAILMENT", "neutral")):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = AutoModelForSequenceClassification.from_pretrained(
            tiny_encoder,
            id2label=dict(enumerate(labels)),
            label2id={n: i for i, n in enumerate(labels)},
        )
        model.classifier.weight.data *= 50
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return str(folder)


def test_log_odds_are_those_of_the_model_alone(judge):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(judge).eval()
    tokenizer = AutoTokenizer.from_pretrained(judge)
    sentences = ("this is about money", "this is about the box", "thank you")
    found = EntailmentEncoder(judge, sentences, batch_size=4).transform(TEXTS)
    assert found.shape == (3, 3) and found.dtype == np.float32
    for row, text in enumerate(TEXTS):
        for column, sentence in enumerate(sentences):
            with torch.inference_mode():
                logits = model(**tokenizer(text, sentence, return_tensors="pt")).logits[0]
            wanted = float(logits[1] - logits[0]) / 10
            assert found[row, column] == pytest.approx(wanted, abs=1e-5)
    assert np.ptp(found) > 1e-4


def test_without_contradiction_all_other_labels_are(tiny_encoder, tmp_path):
    two = made(tiny_encoder, tmp_path / "two", ("not_entailment", "entailment"))
    assert EntailmentEncoder(two, ("x",)).transform(TEXTS).shape == (3, 1)


def test_it_is_a_part_of_a_model_folder(judge, tmp_path):
    encoder = EntailmentEncoder(judge, ("this is about money",), batch_size=2)
    described = save_encoder_part(encoder, tmp_path / "part")
    again = load_encoder_part(described, tmp_path / "part")
    np.testing.assert_allclose(again.transform(TEXTS), encoder.transform(TEXTS), atol=1e-6)
    assert again.groups == (("entailment", 1),) and not again.learns_from_text
    assert encoder.fit(TEXTS) is encoder


def test_names_are_entailed(judge, tiny_encoder, tmp_path):
    meaning = LabelMeaning(NAMES, entailment=judge)
    model = TextClassifier(tiny_encoder, transfer=meaning).fit([], [])
    inner = model.fitted_.features.encoder.encoders[1]
    assert inner.hypotheses == (
        "This text is about my card was charged.",
        "This text is about the parcel and the box.",
    )
    plain = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES)).fit([], [])
    assert np.abs(model.predict_proba(TEXTS) - plain.predict_proba(TEXTS)).max() > 1e-3
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)
    with pytest.raises(ConfigError, match="Expected a model without entailment"):
        again.add_classes({"login": "password"})


def test_labelled_rows_decide_what_entailment_counts(judge, few):
    meaning = LabelMeaning({"billing": "money", "how_to": "calendar"}, entailment=judge)
    model = TextClassifier(TransformerEncoder(), transfer=meaning).fit(*few)
    assert model.score(*few) > 0.9


@pytest.mark.parametrize("options", [{"hypotheses": ()}, {"hypotheses": "x"}, {"batch_size": 0}])
def test_bad_options_are_refused(judge, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        EntailmentEncoder(**{"name_or_path": judge, "hypotheses": ("x",), **options})


def test_what_cannot_entail_is_refused(judge, tiny_encoder, tmp_path, few):
    with pytest.raises(InputError, match="single texts"):
        EntailmentEncoder(judge, ("x",)).transform([("a", "b")])
    stars = made(tiny_encoder, tmp_path / "stars", ("bad", "good"))
    with pytest.raises(EncoderNotFoundError, match="label called entailment.*labels bad, good"):
        EntailmentEncoder(stars, ("x",)).transform(TEXTS)
    with pytest.raises(EncoderNotFoundError, match="is not a local folder"):
        EntailmentEncoder("no-such/model", ("x",)).transform(TEXTS)
    with pytest.raises(ConfigError, match="needs a frozen encoder, got LoRA"):
        transfer = [LoRA(), LabelMeaning(entailment=judge)]
        TextClassifier(tiny_encoder, transfer=transfer).fit(*few)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "[" * 100_000),
        ("config.json", '{"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}'),
        ("tokenizer.json", "{}"),
        ("model.safetensors", ""),
    ],
)
def test_a_stored_model_that_is_malformed_is_refused_at_load(judge, tmp_path, file, text):
    encoder = EntailmentEncoder(judge, ("this is about money",))
    described = save_encoder_part(encoder, tmp_path / "part")
    (tmp_path / "part" / "weights" / file).write_text(text)
    with pytest.raises((IntegrityError, EncoderNotFoundError)):
        load_encoder_part(described, tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "weights")
    with pytest.raises(IntegrityError, match="is missing"):
        load_encoder_part(described, tmp_path / "part")


def test_a_classifier_without_trained_weights_is_refused(tiny_encoder):
    with pytest.raises(EncoderNotFoundError, match=r"2 weights.*classifier\.bias"):
        EntailmentEncoder(tiny_encoder, ("x",))._log_odds(["a"])


def test_a_series_is_read_by_position(judge):
    encoder = EntailmentEncoder(judge, ("this is about money",))
    series = pd.Series(TEXTS, index=[2, 0, 1])
    assert (encoder.transform(series) == encoder.transform(TEXTS)).all()

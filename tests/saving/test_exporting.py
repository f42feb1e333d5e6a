import json

import numpy as np
import pytest

from nlptl import (
    Frozen,
    FullFineTune,
    LogisticHead,
    LoRA,
    MLPHead,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, StorageError
from nlptl.encoders import Pooling

STOCK = Pooling(tokens="stock", normalize=False)
CONFIG = TrainingConfig(epochs=2, batch_size=8, learning_rate=3e-4)
TEXTS = ["late help phone", "help late card", "money late app", "app help late"] * 6
NAMES = ["help!", "it's late"]
# Each text is labelled otherwise once, so that no probability is 0 or 1, where all readers agree.
LABELS = ["it's late", "help!", "it's late", "help!"] * 5 + ["help!", "it's late"] * 2
SEVERAL = [["late"], ["help", "late"], ["late", "money"], ["help"]] * 6


def fitted(encoder, labels=LABELS, **options):
    # Random encoders see hardly any difference: a head left free would magnify rounding.
    given = {"head": LogisticHead(C=1.0), "transfer": LoRA(merge=False), "training": CONFIG}
    given |= {"device": "cpu", **options}
    return TextClassifier(encoder, **given).fit(TEXTS, labels)


def stock(folder):
    return TransformerEncoder(folder, pooling=STOCK, cache=None, precision="float32")


# Kernels of some processors are 1.2e-5 apart on encoders of random weights.
def same_in_a_pipeline(model, folder, names, atol=1e-4):
    from transformers import pipeline

    found = pipeline("text-classification", str(folder), device="cpu", top_k=None)(TEXTS[:4])
    scores = [{one["label"]: one["score"] for one in row} for row in found]
    given = [[row[name] for name in names] for row in scores]
    np.testing.assert_allclose(given, model.predict_proba(TEXTS[:4]), atol=atol)


@pytest.mark.parametrize(
    "options",
    [
        {"transfer": LoRA()},
        {"transfer": LoRA(merge=False)},
        {"transfer": FullFineTune()},
        {"transfer": None, "head": LogisticHead(C=1.0), "imbalance": "logit_adjust"},
    ],
    ids=str,
)
def test_a_plain_pipeline_answers_with_the_labels_and_probabilities(
    tiny_encoder, tmp_path, options
):
    model = fitted(stock(tiny_encoder), **options)
    same_in_a_pipeline(model, model.export(tmp_path / "m"), NAMES)
    again = TextClassifier.load(model.save(tmp_path / "saved"))
    same_in_a_pipeline(again, again.export(tmp_path / "n"), NAMES)


@pytest.mark.parametrize("target", ["transformers", "sentence-transformers", "onnx"])
def test_nothing_is_printed_and_the_settings_of_transformers_stay(
    tiny_encoder, tmp_path, capfd, target
):
    from transformers.utils import logging

    encoder = TransformerEncoder(tiny_encoder, pooling=Pooling(), cache=None)
    encoder = stock(tiny_encoder) if target == "transformers" else encoder
    model = fitted(encoder, transfer=None)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    capfd.readouterr()
    try:
        model.export(tmp_path / "m", format=target)
        assert logging.is_progress_bar_enabled()
    finally:
        if not before[1]:
            logging.disable_progress_bar()
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == before[0]


def test_several_labels_are_exported_too(tiny_encoder, tmp_path):
    model = fitted(stock(tiny_encoder), SEVERAL)
    same_in_a_pipeline(model, model.export(tmp_path / "m"), ["help", "late", "money"])


def test_every_family_is_exported_and_read_by_plain_peft(any_encoder, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    model = fitted(stock(any_encoder))
    same_in_a_pipeline(model, model.export(tmp_path / "m"), NAMES)
    folder = model.export(tmp_path / "adapter", format="peft")
    base = AutoModelForSequenceClassification.from_pretrained(
        any_encoder, config=AutoConfig.from_pretrained(folder)
    )
    assert base.config.id2label == dict(enumerate(NAMES))
    read = PeftModel.from_pretrained(base, folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[:4], return_tensors="pt", padding=True)
    tokens.pop("token_type_ids", None)
    with torch.inference_mode():
        found = read(**tokens).logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(found, model.predict_proba(TEXTS[:4]), atol=1e-4)


def test_an_adapter_with_pooling_of_our_own_is_read_by_plain_peft(tiny_encoder, tmp_path):
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    model = fitted(TransformerEncoder(tiny_encoder, pooling=Pooling(), cache=None))
    folder = model.export(tmp_path / "adapter", format="peft")
    told = json.loads((folder / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == str(tiny_encoder)
    read = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_encoder), folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[:4], return_tensors="pt")
    tokens.pop("token_type_ids", None)
    head = load_file(folder / "nlptl_head.safetensors")
    with torch.inference_mode():
        states = read(**tokens).last_hidden_state.mean(dim=1)
        vectors = torch.nn.functional.normalize(states, dim=1).double()
        found = (vectors @ head["weight"].double().T + head["bias"].double()).softmax(dim=1)
    np.testing.assert_allclose(found.numpy(), model.predict_proba(TEXTS[:4]), atol=1e-4)


def test_what_another_library_has_no_place_for_is_refused(tiny_encoder, tmp_path):
    own = fitted(tiny_encoder)
    with pytest.raises(ConfigError, match=r"Pooling\(tokens='stock', normalize=False\)"):
        own.export(tmp_path / "m")
    with pytest.raises(ConfigError, match=r"Did you mean 'transformers'"):
        own.export(tmp_path / "m", format="transformer")
    with pytest.raises(ConfigError, match=r"LoRA\(merge=False\)"):
        fitted(stock(tiny_encoder), transfer=LoRA()).export(tmp_path / "m", format="peft")
    lower = TransformerEncoder(tiny_encoder, pooling=Pooling(layers=(-2,)), cache=None)
    with pytest.raises(ConfigError, match=r"a head on the last layer.*layers=\(-2,\)"):
        fitted(lower).export(tmp_path / "m", format="peft")
    with pytest.raises(ConfigError, match="MLPHead is not linear"):
        fitted(stock(tiny_encoder), head=MLPHead()).export(tmp_path / "m")
    counts = TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="got TfidfEncoder"):
        counts.export(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        own.export(tmp_path / "taken", format="peft")


def test_pairs_are_exported_where_they_are_read_as_one_text(tiny_encoder, tmp_path):
    from transformers import pipeline

    pairs = [(text, text[::-1]) for text in TEXTS]
    options = {"head": LogisticHead(C=1.0), "transfer": FullFineTune(), "training": CONFIG}
    options |= {"device": "cpu"}
    apart = TextClassifier(stock(tiny_encoder), pair_encoding="separate", **options)
    with pytest.raises(ConfigError, match="separately.*pair_encoding='joint'"):
        apart.fit(pairs, LABELS).export(tmp_path / "apart")
    assert not (tmp_path / "apart").exists()
    model = TextClassifier(stock(tiny_encoder), **options).fit(pairs, LABELS)
    read = pipeline("text-classification", str(model.export(tmp_path / "m")), device="cpu")
    found = read([{"text": a, "text_pair": b} for a, b in pairs[:4]], top_k=None)
    given = [[{one["label"]: one["score"] for one in row}[n] for n in NAMES] for row in found]
    np.testing.assert_allclose(given, model.predict_proba(pairs[:4]), atol=1e-4)


def head_beside(folder):
    from safetensors.numpy import load_file

    arrays, told = load_file(folder / "nlptl_head.safetensors"), folder / "nlptl_head.json"
    return arrays["weight"], arrays["bias"], json.loads(told.read_text())


@pytest.mark.parametrize(
    ("pooling", "modules"),
    [
        (Pooling(), ["", "1_Pooling", "2_Normalize"]),
        (Pooling(tokens="cls", normalize=False), ["", "1_Pooling"]),
        (Pooling(tokens="max"), ["", "1_Pooling", "2_Normalize"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("transfer", [Frozen("top"), LoRA(merge=False)], ids=str)
def test_a_sentence_encoder_is_written_with_its_head_beside_it(
    tiny_encoder, tmp_path, pooling, modules, transfer
):
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, cache=None, precision="float32")
    model = fitted(encoder, transfer=transfer)
    folder = model.export(tmp_path / "m", format="sentence-transformers")
    told = json.loads((folder / "modules.json").read_text())
    assert [one["path"] for one in told] == modules
    # Read by what the folder says alone, as sentence-transformers reads it.
    again = TransformerEncoder(folder, cache=None, precision="float32")
    assert again.reader.pooling == pooling and again.reader.window == encoder.reader.window
    weight, bias, said = head_beside(folder)
    logits = again.transform(TEXTS[:4]) @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, model.predict_proba(TEXTS[:4]), atol=1e-4)
    assert said["labels"] == NAMES


def test_what_sentence_transformers_cannot_read_is_refused(tiny_encoder, tmp_path):
    for encoder in (
        stock(tiny_encoder),
        TransformerEncoder(tiny_encoder, pooling=Pooling(layers=(-2,)), cache=None),
        TransformerEncoder(tiny_encoder, pooling=Pooling(dimension=4), cache=None),
    ):
        model = fitted(encoder, transfer=None)
        with pytest.raises(ConfigError, match="needs single texts and plain token pooling"):
            model.export(tmp_path / "m", format="sentence-transformers")
    pairs = TextClassifier(
        TransformerEncoder(tiny_encoder, cache=None), transfer=LoRA(), training=CONFIG
    ).fit([(text, text) for text in TEXTS], LABELS)
    with pytest.raises(ConfigError, match="of pairs"):
        pairs.export(tmp_path / "m", format="sentence-transformers")
    assert not (tmp_path / "m").exists()


def test_a_prompt_goes_with_the_encoder(tiny_encoder, tmp_path):
    from shutil import copytree

    told = {"prompts": {"ask": "late "}, "default_prompt_name": "ask"}
    own = copytree(tiny_encoder, tmp_path / "own")
    (own / "config_sentence_transformers.json").write_text(json.dumps(told))
    encoder = TransformerEncoder(own, pooling=Pooling(), cache=None, precision="float32")
    folder = fitted(encoder, transfer=None).export(tmp_path / "m", format="sentence-transformers")
    again = TransformerEncoder(folder, cache=None, precision="float32")
    assert again.folder.sentence.prompt == "late "
    with pytest.raises(ConfigError, match="cannot put the default prompt 'late '"):
        fitted(encoder).export(tmp_path / "p", format="peft")
    given = ["help phone", "money"]
    np.testing.assert_allclose(again.transform(given), encoder.transform(given), atol=1e-6)

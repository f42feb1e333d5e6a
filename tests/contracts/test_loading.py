"""A saved model of every kind is loaded and used without a network, and asks nobody."""

from __future__ import annotations

import builtins
import io
import socket
import subprocess
import sys

import numpy as np
import pytest

from nlptl import (
    Frozen,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    LanguageClassifier,
    LoRA,
    MultiTaskModel,
    OnnxClassifier,
    StaticEncoder,
    Task,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)

ONE = TrainingConfig(epochs=1, batch_size=8)
KINDS = [
    "counts",
    "static",
    "frozen",
    "fused",
    "tuned",
    "merged",
    "apart",
    "numbers",
    "entailment",
    "tasks",
    "languages",
    "student",
    "onnx",
]


class Silent(io.StringIO):
    """A terminal at which nobody sits."""

    def read(self, *_):
        raise AssertionError("stdin was read")

    readline = readlines = __next__ = read

    def isatty(self):
        return True


@pytest.fixture
def alone(monkeypatch):
    """Block every connection, allow the Hub, and fail where somebody is asked."""
    from huggingface_hub import constants

    def block(*arguments, **_options):
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", block)
    monkeypatch.setattr(socket, "create_connection", block)
    monkeypatch.setattr(socket.socket, "connect", block)
    monkeypatch.setattr(builtins, "input", block)
    monkeypatch.setattr(sys, "stdin", Silent())


@pytest.fixture(scope="module")
def rows(support):
    texts, labels = support
    chosen = [i for i, label in enumerate(labels) if label in ("billing", "how_to")]
    chosen = [*chosen[:20], *chosen[-20:]]
    return [texts[i] for i in chosen], [labels[i] for i in chosen]


@pytest.fixture(scope="module")
def judge(tiny_encoder, tmp_path_factory):
    """A cross-encoder of random weights."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("judge")
    names = {0: "contradiction", 1: "entailment", 2: "neutral"}
    options = {"id2label": names, "label2id": {name: i for i, name in names.items()}}
    model = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, **options)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def make(tiny_encoder, vectors_file, judge, rows):
    """Return a function that fits a model of a kind, and names the class that loads it."""
    texts, labels = rows

    def fit(kind):
        options = {"training": ONE, "device": "cpu"}
        encoder = TransformerEncoder(tiny_encoder)
        meaning = LabelMeaning({"billing": "money", "how_to": "help"}, entailment=judge)
        numbers = [float(len(text)) for text in texts]
        models = {
            "counts": lambda: TextClassifier(TfidfEncoder()),
            "static": lambda: TextClassifier(StaticEncoder(vectors_file)),
            "frozen": lambda: TextClassifier(encoder, transfer=Frozen()),
            "fused": lambda: TextClassifier(FusedEncoder((encoder, TfidfEncoder()))),
            "tuned": lambda: TextClassifier(encoder, transfer=FullFineTune(), **options),
            "merged": lambda: TextClassifier(encoder, transfer=LoRA(rank=2), **options),
            "apart": lambda: TextClassifier(encoder, transfer=LoRA(rank=2, merge=False), **options),
            "entailment": lambda: TextClassifier(encoder, transfer=meaning),
            "onnx": lambda: TextClassifier(encoder, transfer=Frozen("top")),
        }
        if kind in models:
            return models[kind]().fit(texts, labels)
        if kind == "numbers":
            return TextRegressor(encoder).fit(texts, numbers)
        if kind == "student":
            teacher = TextClassifier(encoder).fit(texts, labels)
            return teacher.distill(texts, student=TextClassifier(TfidfEncoder()))
        if kind == "languages":
            languages = ["en", "de"] * (len(texts) // 2)
            return LanguageClassifier(TextClassifier(encoder), gate=False).fit(
                texts, labels, languages
            )
        tasks = {name: Task("single_label") for name in ("first", "second")}
        model = MultiTaskModel(tasks, encoder=encoder, gate=False, training=ONE)
        return model.fit(dict.fromkeys(tasks, (texts, labels)))

    return fit


@pytest.mark.parametrize("kind", KINDS)
def test_loading_and_predicting_open_no_connection_and_ask_nobody(
    make, rows, tmp_path, request, kind
):
    model, texts = make(kind), rows[0][:4]
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        model.export(tmp_path / "model", format="onnx")
        loader, options = OnnxClassifier, {}
    else:
        model.save(tmp_path / "model")
        loader = type(model)
        options = {"languages": ["en"] * 4} if kind == "languages" else {}
    expected = model.predict(texts, **options)
    request.getfixturevalue("alone")
    answers = loader.load(tmp_path / "model").predict(texts, **options)
    if isinstance(expected, dict):
        assert {name: list(found) for name, found in answers.items()} == {
            name: list(found) for name, found in expected.items()
        }
    elif kind == "numbers":
        np.testing.assert_allclose(answers, expected, atol=1e-3)
    else:
        assert list(answers) == list(expected)


def test_a_folder_that_names_the_hub_everywhere_opens_no_connection(
    make, rows, tmp_path, reseal, alone
):
    import json

    folder = make("apart").save(tmp_path / "model")
    inner = folder / "encoder" / "encoder"
    elsewhere = {"name_or_path": "somebody/encoder", "_name_or_path": "somebody/encoder"}
    named = {
        "config.json": {**elsewhere, "transformers_version": "4.0.0"},
        "tokenizer_config.json": elsewhere,
        "adapter/adapter_config.json": {
            "base_model_name_or_path": "somebody/encoder",
            "revision": "other",
        },
        "origin.json": {"name": "somebody/encoder"},
        "generation_config.json": elsewhere,
    }
    for file, entries in named.items():
        path = inner / file
        settings = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**settings, **entries}))
    reseal(folder)
    assert len(TextClassifier.load(folder).predict(rows[0][:4])) == 4


WATCHED = """
import sys
from nlptl import TextClassifier

model = TextClassifier.load(sys.argv[1])
model.predict(["the first text loads the weights"])
opened = []
sys.addaudithook(lambda event, about: opened.append(about[0]) if event == "open" else None)
model.predict(["a parcel came late"])
print(opened)
"""


def test_a_loaded_frozen_model_predicts_one_text_without_opening_a_file(
    tiny_encoder, few, tmp_path
):
    folder = TextClassifier(tiny_encoder).fit(*few).save(tmp_path / "model")
    command = [sys.executable, "-c", WATCHED, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

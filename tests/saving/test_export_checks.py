import re
import shlex

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Frozen,
    FullFineTune,
    LabelMeaning,
    LogisticHead,
    LoRA,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.cli.main import main
from nlptl.encoders import Pooling
from nlptl.saving import exporting

TEXTS = ["late help phone", "help late card", "money late app", "app help late"] * 6
LABELS = ["late", "help", "late", "help"] * 6
SHORT = TrainingConfig(max_steps=1, quiet=True)


def fitted(encoder, transfer=None):
    options = {"training": SHORT, "device": "cpu"} if transfer is not None else {}
    head = LogisticHead(C=1.0)
    return TextClassifier(encoder, transfer=transfer, head=head, **options).fit(TEXTS, LABELS)


def refusal(model, folder, target):
    with pytest.raises(ConfigError) as problem:
        model.export(folder, format=target)
    assert not folder.exists()
    return str(problem.value)


@pytest.mark.parametrize("target", ["transformers", "sentence-transformers", "peft"])
def test_the_options_of_a_message_make_a_model_that_can_be_exported(tiny_encoder, tmp_path, target):
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "in.csv", index=False)
    advice = refusal(fitted(tiny_encoder), tmp_path / "no", target)
    options = shlex.split(re.search(r"\(nlptl train: (.*?)\)", advice)[1])
    command = ["train", str(tmp_path / "in.csv"), "--encoder", str(tiny_encoder)]
    limits = ["--test-share", "0", "--training.max_steps", "1", "--device", "cpu"]
    limits = limits if "frozen" not in options else limits[:2]
    assert main([*command, *limits, *options, "--output", str(tmp_path / "m")]) == 0
    assert main(["export", str(tmp_path / "m"), str(tmp_path / "out"), "--format", target]) == 0


def test_the_default_model_is_refused_before_its_weights_are_loaded(
    tiny_encoder, tmp_path, monkeypatch
):
    model = TextClassifier.load(fitted(tiny_encoder).save(tmp_path / "m"))
    monkeypatch.setattr(exporting, "load_encoder", None)
    for target in ("transformers", "sentence-transformers"):
        message = refusal(model, tmp_path / "no", target)
        assert "3 layers" in message and "format='onnx'" in message and "nlptl train" in message


def test_the_advice_is_for_the_transfer_of_the_model(tiny_encoder, tmp_path):
    tuned = fitted(tiny_encoder, FullFineTune(features="all"))
    assert "--transfer.features top" in refusal(tuned, tmp_path / "no", "sentence-transformers")
    adapter = fitted(tiny_encoder, LoRA(merge=False, features="all"))
    assert "--transfer.features top" in refusal(adapter, tmp_path / "no", "peft")
    named = fitted(tiny_encoder, [Frozen(), LabelMeaning()])
    assert "--transfer.layers top" in refusal(named, tmp_path / "no", "sentence-transformers")
    low = fitted(TransformerEncoder(tiny_encoder, pooling=Pooling(layers=(-2,)), cache=None))
    assert "Pooling()" in refusal(low, tmp_path / "no", "sentence-transformers")


def test_a_head_that_chose_the_last_of_several_layers_is_exported(tiny_encoder, tmp_path):
    model = fitted(tiny_encoder)
    features = model.fitted_.features
    layers = len(features.weights)
    weights = np.array([0.0] * (layers - 1) + [1.0])
    top = fitted(tiny_encoder, None).set_params(transfer=Frozen("top")).fit(TEXTS, LABELS)
    object.__setattr__(features, "weights", weights)
    object.__setattr__(model.fitted_, "scorer", top.fitted_.scorer)
    folder = model.export(tmp_path / "m", format="sentence-transformers")
    read = TransformerEncoder(folder, cache=None, precision="float32")
    assert read.reader.pooling.layers == (-1,)
    np.testing.assert_allclose(read.transform(TEXTS[:4]), model.embed(TEXTS[:4]), atol=1e-5)

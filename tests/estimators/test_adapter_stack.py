import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nlptl import AdapterStack, FullFineTune, LoRA, TextClassifier, TextRegressor, TrainingConfig
from nlptl.base.errors import ConfigError, InputError

CONFIG = TrainingConfig(epochs=2, batch_size=8, learning_rate=1e-3)
TEXTS = ["late help phone", "help late card", "money late app", "app help late"] * 6
BY_NAME = {
    "order": ["late", "help", "late", "help"] * 6,
    "thing": [3, 4, 5, 6] * 6,
    "several": [["a"], ["b"], ["a", "b"], []] * 6,
}


@pytest.fixture(scope="module")
def models(tiny_encoder):
    return {
        name: TextClassifier(
            tiny_encoder,
            transfer=LoRA(rank=2 + rank, merge=False),
            training=CONFIG,
            device="cpu",
        ).fit(TEXTS, labels)
        for rank, (name, labels) in enumerate(BY_NAME.items())
    }


@pytest.fixture(scope="module")
def stack(models):
    return AdapterStack(models, device="cpu")


def test_each_adapter_answers_as_its_own_model(stack, models):
    for name in ("order", "thing", "several", "order"):
        found = stack.predict_proba(TEXTS[:6], adapter=name)
        np.testing.assert_allclose(found, models[name].predict_proba(TEXTS[:6]), atol=1e-5)
    assert stack.names == ("order", "thing", "several")
    assert stack.predict(TEXTS[:4], adapter="thing").tolist() == [
        *models["thing"].predict(TEXTS[:4])
    ]


def test_every_text_may_have_an_adapter_of_its_own(stack, models):
    names = ["order", "thing", "order", "several"]
    found = stack.predict(TEXTS[:4], adapter=names)
    wanted = [models[name].predict([text])[0] for name, text in zip(names, TEXTS, strict=False)]
    assert found == wanted
    with pytest.raises(InputError, match="4 texts and 1 names"):
        stack.predict(TEXTS[:4], adapter=["order"])


def test_the_encoder_is_held_once(stack):
    encoders = {id(fitted.features.encoder.weights.model) for fitted in stack._fitted.values()}
    assert len(encoders) == 1


def test_saved_models_are_stacked(models, tmp_path):
    folders = {name: models[name].save(tmp_path / name) for name in ("order", "thing")}
    again = AdapterStack.load(folders, device="cpu")
    found = again.predict_proba(TEXTS[:6], adapter="thing")
    np.testing.assert_allclose(found, models["thing"].predict_proba(TEXTS[:6]), atol=1e-5)


def test_what_cannot_be_stacked_is_refused(stack, models, tiny_encoder, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'thing'"):
        stack.predict(TEXTS[:1], adapter="things")
    with pytest.raises(ConfigError, match="got none"):
        AdapterStack({})
    options = {"training": CONFIG, "device": "cpu"}
    numbers = TextRegressor(tiny_encoder, device="cpu").fit(TEXTS, [float(len(t)) for t in TEXTS])
    with pytest.raises(ConfigError, match="'length' predicts numbers"):
        AdapterStack({"length": numbers})
    full = TextClassifier(tiny_encoder, transfer=FullFineTune(), **options)
    with pytest.raises(ConfigError, match="'full' has no adapter of its own"):
        AdapterStack({"full": full.fit(TEXTS, BY_NAME["order"])})
    config = {"init_lora_weights": "pissa", "r": 2, "target_modules": "all-linear"}
    moved = TextClassifier(tiny_encoder, transfer=LoRA(config=config, merge=False), **options)
    with pytest.raises(ConfigError, match="changes the weights of the encoder"):
        AdapterStack({"moved": moved.fit(TEXTS, BY_NAME["order"])})
    elsewhere = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    weights = load_file(elsewhere / "model.safetensors")
    save_file({name: w * 1.5 for name, w in weights.items()}, elsewhere / "model.safetensors")
    other = TextClassifier(elsewhere, transfer=LoRA(merge=False), **options)
    with pytest.raises(ConfigError, match="'other' was tuned on another encoder than 'order'"):
        AdapterStack({"order": models["order"], "other": other.fit(TEXTS, BY_NAME["order"])})

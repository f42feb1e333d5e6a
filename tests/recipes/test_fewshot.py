"""The recipe for a handful of labels, alone and launched on two processes."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nlptl import Contrastive, LabelMeaning, TextClassifier
from nlptl.cli.main import main

RECIPE = Path(__file__).parents[2] / "recipes" / "fewshot.py"


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """A table, settings and an encoder without dropout."""
    folder = tmp_path_factory.mktemp("room")
    texts, labels = support
    pd.DataFrame({"text": texts, "label": labels}).to_csv(folder / "all.csv", index=False)
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    (folder / "run.yaml").write_text(
        f"data: {folder / 'all.csv'}\nencoder: {folder / 'encoder'}\nshots: 3\n"
        "transfer: {name: contrastive+meaning, names: {how_to: help with a thing}, steps: 4}\n"
        "training: {precision: float32, learning_rate: 1.0e-3}\n",
        encoding="utf-8",
    )
    return folder


def command(*words):
    return main(["train", *map(str, words)])


def test_the_settings_of_the_file_are_known(room, monkeypatch, capsys):
    monkeypatch.chdir(room)
    config = RECIPE.with_suffix(".yaml").read_text().replace("train.csv", "all.csv")
    uncommented = re.sub("(?m)^  # ", "  ", config.replace("# encoder: ", "encoder: encoder # "))
    (room / "own.yaml").write_text(
        uncommented.replace("test: test.csv", "").replace("  steps: 30", "  steps: 2")
    )
    assert command("--config", "own.yaml") == 0, capsys.readouterr().err
    model = TextClassifier.load(room / "model")
    assert model.transfer[0] == Contrastive(steps=2) and "HUM" in model.classes_


def test_settings_of_a_file_train_a_model(room, capsys):
    assert command("--config", room / "run.yaml", "--output", room / "one") == 0
    assert "accuracy" in capsys.readouterr().out
    model = TextClassifier.load(room / "one")
    assert model.transfer == [Contrastive(steps=4), LabelMeaning({"how_to": "help with a thing"})]
    assert len(model.audit_.class_counts) == 8 and model.audit_.n_rows == 24
    assert not (room / "one.checkpoints").exists()


@pytest.mark.slow
def test_two_processes_end_where_one_does(room, launch):
    recipe = RECIPE.read_text()
    changed = room / "fewshot.py"
    changed.write_text(
        recipe.replace("TrainingConfig(", "TrainingConfig(precision='float32', ").replace(
            "Contrastive()", "Contrastive(steps=4)"
        )
    )
    data = (room / "all.csv", "--encoder", room / "encoder", "--shots", 3, "--output")
    for name, processes in (("alone", 1), ("two", 2)):
        done = launch(changed, *data, room / name, processes=processes)
        assert done.returncode == 0, done.err
        assert done.out.count("accuracy") == 2 and done.out.count("Saved: ") == 1
        assert not (room / f"{name}.checkpoints").exists()
    texts = pd.read_csv(room / "all.csv")["text"].tolist()[::7]
    one, two = (TextClassifier.load(room / name).predict_proba(texts) for name in ("alone", "two"))
    np.testing.assert_allclose(two, one, atol=2e-3)

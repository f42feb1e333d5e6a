"""Recipes and ``nlptl train`` that tune, launched: in one process and two, killed and resumed."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nlptl import TextClassifier
from nlptl.cli.main import main

RECIPES = Path(__file__).parents[2] / "recipes"
CHANGES = (
    "TrainingConfig(precision='float32', refit=False, batch_size=8, accumulation=2, save_steps=3, "
    "learning_rate=1e-3, "
)
"""A reader changes a copy of a recipe: these settings suit a tiny encoder."""


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """Tables of 91 training rows and 203 test rows, and an encoder without dropout.

    The recipes split ``few.csv`` themselves, into 90 rows and 23.
    """
    folder = tmp_path_factory.mktemp("room")
    texts, labels = support
    table = pd.DataFrame({"text": texts, "label": labels}).sample(frac=1, random_state=0)
    table.iloc[:203].to_csv(folder / "test.csv", index=False)
    table.iloc[203:294].to_csv(folder / "train.csv", index=False)
    table.iloc[181:294].to_csv(folder / "few.csv", index=False)
    for name in ("finetune", "lora"):
        recipe = (RECIPES / f"{name}.py").read_text()
        assert recipe.count("TrainingConfig(") == 1
        (folder / f"{name}.py").write_text(recipe.replace("TrainingConfig(", CHANGES))
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    return folder


def recipe_options(room, output, encoder="encoder"):
    few, encoder, output = room / "few.csv", room / encoder, room / output
    return [str(few), "--encoder", str(encoder), "--output", str(output), "--epochs", "3"]


def options(room, output, *more, encoder="encoder"):
    return [
        str(part)
        for part in (
            *("train", "--transfer", "full", room / "train.csv"),
            *("--test", room / "test.csv", "--encoder", room / encoder),
            *("--output", room / output, "--training.precision", "float32"),
            *("--training.epochs", 3, "--training.learning_rate", "1e-3"),
            *("--training.batch_size", 8, "--training.accumulation", 2),
            *("--training.save_steps", 3, "--training.refit", "false", *more),
        )
    ]


def digest(folder):
    files = sorted(folder.rglob("*.safetensors"))
    assert len(files) == 2
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def accuracy(printed):
    return [line for line in printed.splitlines() if "accuracy" in line]


@pytest.fixture(scope="module")
def alone(room):
    """The model that ``nlptl train`` trains in one process."""
    assert main(options(room, "one")) == 0
    return TextClassifier.load(room / "one")


@pytest.mark.slow
def test_two_processes_of_a_recipe_end_where_one_does(room, launch):
    runs = {}
    for processes in (1, 2):
        name = f"recipe-{processes}"
        given = recipe_options(room, name)
        runs[processes] = launch(room / "finetune.py", *given, processes=processes)
        assert runs[processes].returncode == 0, runs[processes].err
        assert not (room / f"{name}.checkpoints").exists()
    one, two = (TextClassifier.load(room / f"recipe-{processes}") for processes in (1, 2))
    texts = pd.read_csv(room / "test.csv")["text"].tolist()
    np.testing.assert_allclose(two.predict_proba(texts), one.predict_proba(texts), atol=2e-3)
    assert len(accuracy(runs[2].out)) == runs[2].out.count("Saved: ") == 1  # one process prints


@pytest.mark.slow
def test_two_processes_of_the_command_end_where_one_does(room, alone, launch):
    done = launch("-m", "nlptl", *options(room, "two"))
    assert done.returncode == 0, done.err
    again = TextClassifier.load(room / "two")
    texts = pd.read_csv(room / "test.csv")["text"].tolist()
    np.testing.assert_allclose(again.predict_proba(texts), alone.predict_proba(texts), atol=2e-3)
    # One process speaks, and its figures are those of all 203 rows.
    assert len(accuracy(done.out)) == 1
    table = pd.read_csv(room / "test.csv")
    wanted = again.evaluate(table["text"], table["label"])["accuracy"]
    assert f"{wanted:.3f}" in accuracy(done.out)[0]
    assert not (room / "two.checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("way", "processes"), [("recipe", 1), ("recipe", 2), ("command", 2)])
def test_a_run_that_was_killed_ends_as_if_it_was_not(room, launch, way, processes, tiny_encoder):
    encoder, name = f"dropping-{way}-{processes}", f"{way}-{processes}"
    shutil.copytree(tiny_encoder, room / encoder)  # chance has to be resumed too

    def words(output):
        if way == "recipe":
            return room / "finetune.py", *recipe_options(room, output, encoder)
        return "-m", "nlptl", *options(room, output, encoder=encoder)

    whole = launch(*words(f"whole-{name}"), processes=processes)
    assert whole.returncode == 0, whole.err
    killed = f"killed-{name}"
    folder = room / f"{killed}.checkpoints" / "attempt-0"
    launch.kill_at_step(*words(killed), step=6, folder=folder, processes=processes)
    assert not (room / killed).exists()
    again = launch(*words(killed), processes=processes)
    assert again.returncode == 0, again.err
    assert "Resumed from the checkpoint at step" in again.err
    assert digest(room / killed) == digest(room / f"whole-{name}")


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(room, alone, capsys):
    assert main(options(room, "one")) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(options(room, "one", "--seed", "5")) == 2
    assert "differ in seed" in capsys.readouterr().err


@pytest.mark.slow
def test_an_adapter_is_tuned_by_two_processes(room, launch):
    done = launch(room / "lora.py", *recipe_options(room, "adapter"), "--rank", "4")
    assert done.returncode == 0, done.err
    assert len(accuracy(done.out)) == 2  # the frozen encoder, and the encoder with the adapter
    assert (room / "adapter/encoder/encoder/adapter/adapter_model.safetensors").is_file()
    again = TextClassifier.load(room / "adapter")
    assert again.transfer.rank == 4
    assert again.predict_proba(["help me"]).shape == (1, len(again.classes_))


def test_another_number_of_processes_is_refused(room, capsys):
    assert main(options(room, "n", "--processes", "2")) == 2
    assert "processes is 2, but 1 runs" in capsys.readouterr().err
    assert not (room / "n").exists()


@pytest.mark.parametrize("name", ["finetune", "lora"])
def test_the_settings_of_the_file_are_known(room, name, monkeypatch, capsys):
    monkeypatch.chdir(room)
    config = (RECIPES / f"{name}.yaml").read_text()
    short = config.replace("  batch_size: 16", "  batch_size: 16\n  max_steps: 2").replace(
        "model/", f"from-{name}/"
    )
    (room / f"{name}.yaml").write_text(short.replace("# encoder: ", "encoder: encoder # "))
    assert main(["train", "--config", f"{name}.yaml"]) == 0, capsys.readouterr().err
    assert (room / f"from-{name}" / "manifest.json").is_file()

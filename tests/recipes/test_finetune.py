"""The recipes that tune, as they are launched: one process and two, killed and started again."""

import hashlib
import json
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nlptl import TextClassifier
from nlptl.cli.main import run_command

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """A table of 203 rows to test on, 91 to learn from, and an encoder without dropout."""
    folder = tmp_path_factory.mktemp("room")
    texts, labels = support
    table = pd.DataFrame({"text": texts, "label": labels}).sample(frac=1, random_state=0)
    table.iloc[:203].to_csv(folder / "test.csv", index=False)
    table.iloc[203:294].to_csv(folder / "train.csv", index=False)
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    return folder


def options(room, output, *more, encoder="encoder"):
    return [
        str(part)
        for part in (
            room / "train.csv",
            *("--test", room / "test.csv", "--encoder", room / encoder),
            *("--output", room / output, "--training.precision", "float32"),
            *("--training.epochs", 3, "--training.learning_rate", "1e-3"),
            *("--training.batch_size", 8, "--training.accumulation", 2),
            *("--training.save_steps", 3, "--training.refit", "false", *more),
        )
    ]


def command(name, *arguments):
    spec = spec_from_file_location(f"{name}_recipe", RECIPES / f"{name}.py")
    recipe = module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return run_command(f"{name}.py", recipe, arguments)


def digest(folder):
    files = sorted(folder.rglob("*.safetensors"))
    assert len(files) == 2
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def accuracy(printed):
    return [line for line in printed.splitlines() if "accuracy" in line]


@pytest.fixture(scope="module")
def alone(room):
    """The model of one process."""
    assert command("finetune", *options(room, "one")) == 0
    return TextClassifier.load(room / "one")


@pytest.mark.slow
def test_two_processes_end_where_one_does(room, alone, launch):
    done = launch(RECIPES / "finetune.py", *options(room, "two"))
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
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_was_killed_ends_as_if_it_was_not(room, launch, processes, tiny_encoder):
    shutil.copytree(tiny_encoder, room / f"dropping-{processes}")  # chance has to be resumed too
    encoder = f"dropping-{processes}"
    name = f"whole-{processes}"
    whole = launch(
        RECIPES / "finetune.py", *options(room, name, encoder=encoder), processes=processes
    )
    assert whole.returncode == 0, whole.err
    asked = options(room, f"killed-{processes}", encoder=encoder)
    folder = room / f"killed-{processes}.checkpoints" / "attempt-0"
    launch.kill_at_step(RECIPES / "finetune.py", *asked, step=6, folder=folder, processes=processes)
    assert not (room / f"killed-{processes}").exists()
    again = launch(RECIPES / "finetune.py", *asked, processes=processes)
    assert again.returncode == 0, again.err
    assert "Resumed from the checkpoint at step" in again.err
    assert digest(room / f"killed-{processes}") == digest(room / name)


def test_a_finished_run_and_other_settings_are_told_apart(room, alone, capsys):
    assert command("finetune", *options(room, "one")) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert command("finetune", *options(room, "one", "--seed", "5")) == 2
    assert "differ in seed" in capsys.readouterr().err


@pytest.mark.slow
def test_an_adapter_is_tuned_by_two_processes(room, launch):
    asked = options(room, "adapter", "--transfer.merge", "false", "--transfer.rank", "4")
    done = launch(RECIPES / "lora.py", *asked)
    assert done.returncode == 0, done.err
    assert (room / "adapter/encoder/encoder/adapter/adapter_model.safetensors").is_file()
    again = TextClassifier.load(room / "adapter")
    assert again.transfer.rank == 4
    assert again.predict_proba(["help me"]).shape == (1, len(again.classes_))


def test_another_number_of_processes_is_refused(room, capsys):
    assert command("lora", *options(room, "n", "--processes", "2")) == 2
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
    assert command(name, "--config", f"{name}.yaml") == 0, capsys.readouterr().err
    assert (room / f"from-{name}" / "manifest.json").is_file()

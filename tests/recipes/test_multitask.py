"""The recipe and the command of several tasks: in one process and two, killed and resumed."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nlptl import MultiTaskModel
from nlptl.cli.main import main

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """Tables of two tasks, and an encoder without dropout."""
    folder = tmp_path_factory.mktemp("tasks")
    texts, labels = support
    table = pd.DataFrame({"text": texts, "label": labels}).sample(frac=1, random_state=0)
    table["length"] = table["text"].str.len() / 10
    table.iloc[:60].to_csv(folder / "test.csv", index=False)
    table.iloc[60:150].to_csv(folder / "kinds.csv", index=False)
    table.iloc[150:200].to_csv(folder / "lengths.csv", index=False)
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    return folder


def settings(room, output, encoder="encoder", **more):
    """Write a YAML file; give the options of the command."""
    test = str(room / "test.csv")
    told = {
        "tasks": {
            "kind": {"data": str(room / "kinds.csv"), "test": test},
            "length": {
                "data": str(room / "lengths.csv"),
                "test": test,
                "label_column": "length",
                "kind": "regression",
            },
        },
        "encoder": str(room / encoder),
        "gate": False,
        "training": {
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "precision": "float32",
            "save_steps": 3,
        },
        **more,
    }
    (room / f"{output}.yaml").write_text(yaml.safe_dump(told))
    return ["--config", str(room / f"{output}.yaml"), "--output", str(room / output)]


def command(*words):
    return main(["multitask", *words])


def digest(folder):
    files = sorted(folder.rglob("*.safetensors"))
    assert len(files) == 3
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def asked(room):
    return pd.read_csv(room / "test.csv")["text"].tolist()


@pytest.fixture(scope="module")
def alone(room):
    """The model of one process."""
    assert command(*settings(room, "one")) == 0
    return MultiTaskModel.load(room / "one")


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(room, alone, capsys):
    assert list(alone.predict(["help"])) == ["kind", "length"]
    assert not (room / "one.checkpoints").exists()
    assert command(*settings(room, "one")) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert command(*settings(room, "one", seed=5)) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
def test_two_processes_end_where_one_does(room, launch, mixed):
    given = {"mixing": {"mixed": mixed}}
    assert command(*settings(room, f"one-{mixed}", **given)) == 0
    done = launch("-m", "nlptl", "multitask", *settings(room, f"two-{mixed}", **given))
    assert done.returncode == 0, done.err
    first, second = (MultiTaskModel.load(room / f"{n}-{mixed}") for n in ("one", "two"))
    assert first.steps_ == second.steps_
    wanted, found = first.outputs(asked(room)), second.outputs(asked(room))
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], atol=5e-3)


@pytest.mark.slow
def test_two_processes_agree_on_the_kept_variants(room, launch):
    training = {"max_steps": 12, "batch_size": 8, "precision": "float32"}
    given = settings(room, "gated", gate=True, training=training)
    done = launch("-m", "nlptl", "multitask", *given)
    assert done.returncode == 0, done.err
    model = MultiTaskModel.load(room / "gated")
    assert set(model.comparisons_) == {"kind", "length"}
    assert done.out.count("Saved and read back") == 1


@pytest.mark.slow
def test_the_recipe_reads_tables_and_saves_once(room, launch):
    table = pd.read_csv(room / "kinds.csv")
    table.assign(label=table["length"] > 6).to_csv(room / "long.csv", index=False)
    changed = room / "multitask.py"
    recipe = (RECIPES / "multitask.py").read_text()
    changed.write_text(recipe.replace("TrainingConfig(", "TrainingConfig(max_steps=4, "))
    words = [f"kind={room / 'kinds.csv'}", f"long={room / 'long.csv'}"]
    words += ["--encoder", room / "encoder", "--output", room / "recipe"]
    done = launch(changed, *words)
    assert done.returncode == 0, done.err
    assert done.out.count("kept: ") == 2 and done.out.count("Saved: ") == 1
    assert set(MultiTaskModel.load(room / "recipe").comparisons_) == {"kind", "long"}
    assert not (room / "recipe.checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_was_killed_ends_as_if_it_was_not(room, launch, processes, tiny_encoder):
    encoder = f"dropping-{processes}"
    shutil.copytree(tiny_encoder, room / encoder)  # chance has to be resumed too
    more = {"encoder": encoder, "transfer": "lora"}
    name = f"whole-{processes}"
    words = ("-m", "nlptl", "multitask")
    whole = launch(*words, *settings(room, name, **more), processes=processes)
    assert whole.returncode == 0, whole.err
    name = f"killed-{processes}"
    given = settings(room, name, **more)
    folder = room / f"{name}.checkpoints" / "attempt-0"
    launch.kill_at_step(*words, *given, step=6, folder=folder, processes=processes)
    assert not (room / name).exists()
    again = launch(*words, *given, processes=processes)
    assert again.returncode == 0, again.err
    assert "Resumed from the checkpoint at step" in again.err
    assert digest(room / name) == digest(room / f"whole-{processes}")


def test_the_settings_of_the_file_are_known(room, monkeypatch, capsys):
    monkeypatch.chdir(room)
    table = pd.read_csv("kinds.csv")
    table.to_csv("reviews.csv", index=False)
    pairs = {"first": table["text"][:30], "second": table["text"][30:60].tolist()}
    pd.DataFrame({**pairs, "score": range(30)}).to_csv("pairs.csv", index=False)
    config = (RECIPES / "multitask.yaml").read_text()
    short = config.replace("  batch_size: 16", "  batch_size: 16\n  max_steps: 2")
    short = short.replace("model/", "from-file/").replace("# encoder: ", "encoder: encoder # ")
    (room / "file.yaml").write_text(short)
    assert command("--config", "file.yaml") == 0, capsys.readouterr().err
    assert (room / "from-file" / "manifest.json").is_file()
    assert "similarity" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"tasks": {}}, "must describe at least one task"),
        ({"tasks": {"a": {"kind": "auto"}}}, "needs data"),
        ({"tasks": {"a": {"data": "a.csv", "metrics": "f1"}}}, "metrics"),
        ({"balances": "sum"}, "balances"),
        ({"mixing": {"ways": "uniform"}}, "ways"),
        ({"seed": "x"}, "seed must be a number"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(room, told, message, capsys):
    assert command(*settings(room, "bad", **told)) == 2
    assert message in capsys.readouterr().err


def test_without_a_file_the_command_says_what_it_wants(capsys):
    assert command() == 2
    assert "--config" in capsys.readouterr().err

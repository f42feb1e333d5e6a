import pandas as pd
import pytest
import yaml

from nlptl import MultiTaskModel
from nlptl.cli.learning import multitask
from nlptl.cli.main import main


@pytest.fixture
def room(tmp_path, tiny_encoder, support):
    texts, labels = support
    table = pd.DataFrame({"text": texts, "kind": labels, "length": [len(t) / 7 for t in texts]})
    table = table.sample(120, random_state=0)
    table.to_csv(tmp_path / "data.csv", index=False)
    told = {
        "tasks": {
            "kind": {"data": str(tmp_path / "data.csv"), "label_column": "kind"},
            "length": {
                "data": str(tmp_path / "data.csv"),
                "label_column": "length",
                "kind": "regression",
            },
            "read": {"data": str(tmp_path / "data.csv"), "kind": "language_model"},
        },
        "encoder": str(tiny_encoder),
        "device": "cpu",
        "training": {"max_steps": 6},
    }
    (tmp_path / "tasks.yaml").write_text(yaml.safe_dump(told))
    return tmp_path


def test_several_tasks_are_trained_judged_and_saved(room, capsys):
    asked = ["multitask", "--config", str(room / "tasks.yaml")]
    assert main([*asked, "--output", str(room / "model")]) == 0
    said = capsys.readouterr().out
    assert "polished" in said and "not compared" in said and "Saved and read back" in said
    assert "Gradients agree" in said and "Cosine of gradients" in said and "passes" in said
    model = MultiTaskModel.load(room / "model")
    assert list(model.predict(["help"])) == ["kind", "length"]
    assert model.notes_["run"]["seed"] == 0
    assert main([*asked, "--output", str(room / "model")]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main([*asked, "--output", str(room / "model"), "--seed", "3"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main([*asked, "--output", str(room / "model"), "--seed", "3", "--overwrite"]) == 0
    assert MultiTaskModel.load(room / "model").seed == 3
    table = pd.read_csv(room / "data.csv")
    table.iloc[1:].to_csv(room / "data.csv", index=False)
    assert main([*asked, "--output", str(room / "model"), "--seed", "3"]) == 2
    assert "sha256" in capsys.readouterr().err


def test_without_an_output_nothing_is_kept(room, capsys):
    told = yaml.safe_load((room / "tasks.yaml").read_text())
    told |= {"gate": False, "test_share": 0}
    (room / "tasks.yaml").write_text(yaml.safe_dump(told))
    assert main(["multitask", "--config", str(room / "tasks.yaml")]) == 0
    assert "Not saved" in capsys.readouterr().out
    assert sorted(path.name for path in room.iterdir()) == ["data.csv", "tasks.yaml"]


def test_a_saved_model_is_asked_in_every_task_and_judged_in_one(room, capsys):
    config = str(room / "tasks.yaml")
    told = yaml.safe_load((room / "tasks.yaml").read_text())
    (room / "tasks.yaml").write_text(yaml.safe_dump({**told, "gate": False}))
    folder = str(room / "model")
    assert main(["multitask", "--config", config, "--output", folder]) == 0
    capsys.readouterr()
    assert main(["predict", folder, "--text", "help me"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "text,kind,kind probability,length"
    data = str(room / "data.csv")
    assert main(["predict", folder, data]) == 2
    assert "'kind' already" in capsys.readouterr().err
    pd.read_csv(data)[["text"]].to_csv(room / "plain.csv", index=False)
    assert main(["predict", folder, str(room / "plain.csv"), "--output", str(room / "o.csv")]) == 0
    written = pd.read_csv(room / "o.csv")
    assert list(written) == ["text", "kind", "kind probability", "length"] and len(written) == 120
    capsys.readouterr()
    asked = ["evaluate", folder, data, "--label-column", "length", "--json"]
    assert main([*asked, "--task", "length"]) == 0
    assert "pearson" in capsys.readouterr().out
    assert main(asked) == 2
    assert "several tasks" in capsys.readouterr().err
    assert main([*asked, "--task", "lengths"]) == 2
    assert "'length'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "answers"),
    [
        (["3.5", "4"], [3.5, 4.0]),
        (["3", "4"], ["3", "4"]),
        (["3.5", "a"], ["3.5", "a"]),
        ([1], [1]),
    ],
)
def test_fractions_in_a_text_table_are_numbers(cells, answers):
    assert multitask._fractions(cells) == answers

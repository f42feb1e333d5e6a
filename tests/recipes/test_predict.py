"""The recipe as it is launched: one process and two, killed and started again."""

import json
import time
from pathlib import Path

import pandas as pd
import pytest

from nlptl import TextClassifier
from nlptl.cli.main import main

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "predict.py"
HELD = """
import runpy, time
from pathlib import Path
from nlptl.estimators.bulk import job

real = job.label_piece

def label_piece(*arguments, **options):
    while len(list(Path({parts!r}).glob("*.part"))) >= 4:
        time.sleep(1)  # until the process is killed
    return real(*arguments, **options)

job.label_piece = label_piece
runpy.run_path({recipe!r}, run_name="__main__")
"""
EVALUATE = """
import json, sys
import pandas as pd
from nlptl import TextClassifier
from nlptl.estimators.bulk.sharded import evaluate_sharded
from nlptl.training.processes import check_world
found, table = check_world(), pd.read_csv(sys.argv[2])
model = TextClassifier.load(sys.argv[1])
figures = evaluate_sharded(model, table["text"], table["label"])
with open(f"{sys.argv[3]}/{found.rank}.json", "w") as file:
    json.dump(figures, file)
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """A saved model, a table of 203 rows, and its output by one process."""
    folder = tmp_path_factory.mktemp("room")
    texts, labels = support
    TextClassifier(tiny_encoder).fit(texts[::3], labels[::3]).save(folder / "m")
    rows = [i * 7 % len(texts) for i in range(203)]
    table = pd.DataFrame({"id": range(203), "text": [texts[i] for i in rows]})
    table.assign(label=[labels[i] for i in rows]).to_csv(folder / "in.csv", index=False)
    assert command(*options(folder, "one.csv")) == 0
    return folder


def options(folder, output, *more):
    given = ["--model", folder / "m", "--data", folder / "in.csv", "--output", folder / output]
    return [str(part) for part in (*given, "--chunk-rows", 16, *more)]


def command(*words):
    """Run ``nlptl predict``, which takes the model and the data without the names of flags."""
    return main(["predict", *(word for word in words if word not in ("--model", "--data"))])


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one_and_refuse_other_settings(launch, room):
    done = launch(RECIPE, *options(room, "two.csv"))
    assert done.returncode == 0, done.err
    assert done.err.count("203 rows written") == 1
    assert (room / "two.csv").read_bytes() == (room / "one.csv").read_bytes()
    assert pd.read_csv(room / "two.csv")["id"].tolist() == list(range(203))
    assert not (room / "two.csv.parts").exists()
    assert json.loads((room / "two.csv.json").read_text())["rows"] == 203
    again = launch(RECIPE, *options(room, "two.csv", "--text-column", "id"))
    assert again.returncode != 0
    assert again.err.count("error: ") == 1 and "text_column differ" in again.err


@pytest.mark.slow
def test_two_processes_of_the_command_write_the_bytes_of_one(launch, room):
    config = room / "run.yaml"
    settings = {"model": room / "m", "data": room / "in.csv", "output": room / "command.csv"}
    lines = [f"{name}: {path}" for name, path in settings.items()]
    config.write_text("\n".join([*lines, "chunk_rows: 16"]))
    done = launch("-m", "nlptl", "predict", "--config", config, "--processes", 2)
    assert done.returncode == 0, done.err
    assert (room / "command.csv").read_bytes() == (room / "one.csv").read_bytes()


@pytest.mark.slow
def test_a_killed_run_goes_on_with_another_number_of_processes(launch, room, capsys):
    held, parts = room / "held.py", room / "killed.csv.parts"
    held.write_text(HELD.format(parts=str(parts), recipe=str(RECIPE)))
    running = launch.start(held, *options(room, "killed.csv"))
    while len(list(parts.glob("*.part"))) < 4 and running.poll() is None:
        time.sleep(0.01)
    launch.kill(running)
    left = sorted(parts.glob("*.part"))
    assert 4 <= len(left) < 13
    assert not (room / "killed.csv").exists()
    left[0].write_bytes(left[0].read_bytes()[:-3])
    (parts / ".0000012-draft").write_text("half of a pa")
    assert command(*options(room, "killed.csv")) == 0
    said = capsys.readouterr().err
    assert "1 damaged parts" in said and f"{len(left) - 1} parts of 16 rows are there" in said
    assert (room / "killed.csv").read_bytes() == (room / "one.csv").read_bytes()
    assert command(*options(room, "killed.csv")) == 0
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other(launch, room):
    table = pd.read_csv(room / "in.csv")
    table.loc[20, "text"] = " "  # in the second piece, which is the second process's
    table.to_csv(room / "bad.csv", index=False)
    done = launch(
        RECIPE, *options(room, "bad-out.csv", "--data", room / "bad.csv", "--processes", 2)
    )
    assert done.returncode != 0
    assert "16 rows from row 16 on" in done.err and "index 4" in done.err
    assert not (room / "bad-out.csv").exists()


@pytest.mark.slow
def test_figures_of_two_processes_are_those_of_exactly_these_rows(launch, room):
    script = room / "figures.py"
    script.write_text(EVALUATE)
    done = launch(script, room / "m", room / "in.csv", room)
    assert done.returncode == 0, done.err
    table = pd.read_csv(room / "in.csv")
    wanted = TextClassifier.load(room / "m").evaluate(table["text"], table["label"])
    for rank in (0, 1):
        assert json.loads((room / f"{rank}.json").read_text()) == pytest.approx(wanted, rel=1e-3)


def test_settings_come_from_a_file_and_from_flags(room, capsys):
    shipped = RECIPE.with_suffix(".yaml")
    flags = options(room, "yaml.jsonl")[:-2]
    assert command("--config", str(shipped), *flags, "--processes", "1") == 0
    assert len(pd.read_json(room / "yaml.jsonl", lines=True)) == 203
    assert command("--config", str(shipped), *flags, "--processes", "2") == 2
    assert "processes is 2, but 1 runs" in capsys.readouterr().err
    assert command("--chunk-row", "16") == 2
    assert "--chunk-rows" in capsys.readouterr().err
    assert command("--chunk-rows", "16", "--text", "help") == 2
    assert "--text" in capsys.readouterr().err


def test_ctrl_c_says_that_parts_are_kept(room, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("nlptl.estimators.bulk.job.label_piece", interrupted)
    assert command(*options(room, "stopped.csv")) == 130
    assert "finished blocks are kept" in capsys.readouterr().err

import pandas as pd
import pytest

from nlptl import (
    LanguageClassifier,
    MultiTaskModel,
    Task,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
)
from nlptl.cli.main import main

TEXTS, LABELS = ["good", "great", "bad", "broken"] * 3, ["yes", "yes", "no", "no"] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)
    return str(model.save(tmp_path_factory.mktemp("saved") / "model"))


def test_a_model_is_published_and_predicts_from_the_hub(hub, folder, tmp_path, capsys):
    table = tmp_path / "test.csv"
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(table, index=False)
    given = ["publish", folder, "user/mood", "--test", str(table), "--license", "mit"]
    assert main([*given, "--language", "en"]) == 0
    said = capsys.readouterr().out
    assert "model.json" in said and "Published: http" in said
    card = hub.files("user/mood")["README.md"].decode()
    assert "12 rows of test.csv" in card and str(tmp_path) not in card
    assert main([*given, "--language", "en"]) == 0
    assert "Nothing changed" in capsys.readouterr().out
    assert main(["predict", "user/mood", "--text", "a great day"]) == 0
    assert "yes" in capsys.readouterr().out


def test_a_rehearsal_shows_the_card_and_talks_to_nobody(hub, folder, capsys):
    assert main(["publish", folder, "user/mood", "--dry-run", "--private"]) == 0
    said = capsys.readouterr().out
    assert "sha256" in said and "library_name: nlptl" in said and "Nothing was published" in said
    assert not hub.log


def test_a_rehearsal_writes_the_card_and_its_pictures(hub, folder, tmp_path, capsys):
    table, output = tmp_path / "test.csv", tmp_path / "card"
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(table, index=False)
    rehearsal = ["publish", folder, "user/mood", "--test", str(table), "--output", str(output)]
    assert main(rehearsal) == 2
    assert "Add --dry-run" in capsys.readouterr().err and not output.exists()
    assert main([*rehearsal, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"Written to {output}: README.md, confusion.png" in out and "library_name" not in out
    assert sorted(path.name for path in output.iterdir()) == ["README.md", "confusion.png"]
    assert (output / "confusion.png").read_bytes().startswith(b"\x89PNG")
    before = (output / "README.md").read_text(encoding="utf-8")
    assert "12 rows of test.csv" in before
    assert main([*rehearsal, "--dry-run"]) == 2
    assert "is not empty. Choose a new folder" in capsys.readouterr().err
    assert (output / "README.md").read_text(encoding="utf-8") == before and not hub.log


def test_what_goes_wrong_takes_one_line_without_the_token(hub, folder, capsys, monkeypatch):
    hub.fail("POST", "/commit/", 403)
    assert main(["publish", folder, "user/mood"]) == 2
    said = capsys.readouterr().err
    assert "may not do this" in said
    assert "hf_loop" not in said
    assert said.strip().splitlines()[-1].startswith("nlptl publish: error: ")
    assert main(["publish", folder, "mood"]) == 2
    assert "user/name" in capsys.readouterr().err


def test_figures_are_for_models_of_one_task(tiny_encoder, tmp_path, capsys):
    short = TrainingConfig(max_steps=1, quiet=True)
    model = MultiTaskModel({"a": Task()}, encoder=tiny_encoder, gate=False, training=short)
    folder = model.fit({"a": (TEXTS, LABELS)}).save(tmp_path / "tasks")
    assert main(["publish", str(folder), "user/m", "--dry-run", "--test", "x.csv"]) == 2
    assert "one task" in capsys.readouterr().err
    assert main(["publish", str(folder), "user/m", "--dry-run"]) == 0
    assert "Answers several questions: a." in capsys.readouterr().out


def test_a_model_of_several_languages_is_published_too(hub, tmp_path):
    told = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False)
    folder = told.fit(TEXTS, LABELS, ["en"] * 12).save(tmp_path / "languages")
    assert main(["publish", str(folder), "user/languages"]) == 0
    assert LanguageClassifier.from_pretrained("user/languages").predict(["bad"], ["en"]) == ["no"]

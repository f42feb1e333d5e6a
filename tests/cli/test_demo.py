import re

from nlptl import TextClassifier
from nlptl.cli.main import main


def test_the_demo_tells_the_whole_story_and_its_next_command_works(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--shots", "4"]) == 0
    out = capsys.readouterr().out
    rungs = "word counts|word vectors|frozen transformer|class names|contrastive tuning"
    shown = dict(re.findall(rf"│ ({rungs})\s.*?│\s+(0\.\d+) │", out))
    assert float(shown["word counts"]) < float(shown["word vectors"])
    assert float(shown["word vectors"]) < float(shown["frozen transformer"])
    assert float(shown["frozen transformer"]) < float(shown["class names"])
    assert float(shown["class names"]) < float(shown["contrastive tuning"])
    assert "Predictions on new texts" in out
    assert TextClassifier.load(tmp_path / "nlptl-demo").classes_.shape == (8,)
    folder, text = re.search(r'nlptl predict (\S+) --text "(.*)"', out).groups()
    assert main(["predict", folder, "--text", text]) == 0
    assert "how_to" in capsys.readouterr().out


def test_too_many_shots_are_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--shots", "100"]) == 2
    assert "has 60 rows, fewer than shots=100" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

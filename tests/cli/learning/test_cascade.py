import json

import pandas as pd
import pytest

from nlptl import TextClassifier, TextRegressor, TfidfEncoder
from nlptl.cli.main import main
from nlptl.estimators import model_cascade as module
from nlptl.estimators.loading import load_every


@pytest.fixture
def place(support, tmp_path, monkeypatch):
    texts, labels = support
    speeds = iter([1000.0, 10.0] * 9)
    monkeypatch.setattr(
        module, "timed_prediction", lambda predict, rows: (predict(rows), next(speeds))
    )
    run = {"run": {"text_column": ["body"], "label_column": "kind"}}
    accurate = TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4])
    accurate.save(tmp_path / "model", notes=run)
    TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4]).save(tmp_path / "fast")
    rows = [i for i in range(len(texts)) if i % 4]
    held_out = pd.DataFrame({"body": [texts[i] for i in rows], "kind": [labels[i] for i in rows]})
    held_out.to_csv(tmp_path / "held.csv", index=False)
    return tmp_path


def cascade(place, *more, model="model"):
    words = ["cascade", str(place / model), str(place / "held.csv"), "--output", str(place / "c")]
    return main([*words, *more])


def test_a_cascade_is_made_of_a_saved_model_and_answers(place, capsys):
    fast = ["--fast", str(place / "fast"), "--max-loss", "0.02"]
    assert cascade(place, *fast, "--label-column", "kind") == 0
    out = capsys.readouterr().out
    assert "of 360 held-out texts are passed on" in out and "Loss of accuracy" in out
    assert load_every(place / "c").max_loss == 0.02
    assert main(["predict", str(place / "c"), "--text", "I was charged twice."]) == 0
    assert "I was charged twice." in capsys.readouterr().out
    table = [str(place / "held.csv"), "--output", str(place / "out.csv")]
    assert main(["predict", str(place / "c"), *table]) == 0
    predicted = pd.read_csv(place / "out.csv")
    assert predicted["passed_on"].dtype == bool and not predicted["passed_on"].all()
    assert main(["predict", str(place / "c"), *table, "--chunk-rows", "100", "--overwrite"]) == 0
    pd.testing.assert_frame_equal(predicted, pd.read_csv(place / "out.csv"))
    capsys.readouterr()
    assert main(["evaluate", str(place / "c"), str(place / "held.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed_on"] == predicted["passed_on"].mean()
    assert main(["publish", str(place / "c"), "user/name", "--dry-run"]) == 0
    assert "(TfidfEncoder) answers where it is sure" in " ".join(capsys.readouterr().out.split())


def test_the_fast_model_is_distilled_on_the_other_half(place, capsys, monkeypatch):
    distilled = []

    def distill(self, rows, **_):
        distilled.extend(rows.texts)
        return TextClassifier(TfidfEncoder()).fit(rows, self.predict(rows))

    monkeypatch.setattr(TextClassifier, "distill", distill)
    assert cascade(place, "--max-loss", "0.5") == 0
    assert "of 180 held-out texts" in capsys.readouterr().out and len(distilled) == 180


def test_what_cannot_be_a_cascade_is_refused(place, few, capsys):
    TextRegressor(TfidfEncoder()).fit(few[0], range(40)).save(place / "numbers")
    assert cascade(place, model="numbers") == 2
    assert "needs a classifier with one label per text" in capsys.readouterr().err
    assert cascade(place, "--max-loss", "0.1", "--fast", str(place / "numbers")) == 2
    assert "predicts numbers" in capsys.readouterr().err
    assert cascade(place) == 2  # before anything is distilled
    assert "held-out texts, got 180" in " ".join(capsys.readouterr().err.split())
    assert cascade(place, "--max-loss", "3") == 2
    assert "max_loss must be" in capsys.readouterr().err
    (place / "c").mkdir()
    (place / "c" / "notes.txt").write_text("mine")
    assert cascade(place) == 2

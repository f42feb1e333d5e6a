import numpy as np
import pandas as pd
import pytest

from nlptl import TransformerEncoder
from nlptl.cli.main import main


@pytest.fixture
def room(tmp_path, tiny_encoder):
    """Pairs of two languages: the words of one stand for those of the other."""
    encoder = TransformerEncoder(tiny_encoder, cache=None)
    words = [word for word in encoder.folder.tokenizer.get_vocab() if word.isalpha()]
    half, rng = len(words) // 2, np.random.default_rng(0)
    rows = [rng.integers(0, half, 5) for _ in range(200)]
    table = pd.DataFrame(
        {
            "source": [" ".join(words[i] for i in row) for row in rows],
            "target": [" ".join(words[i + half] for i in row) for row in rows],
        }
    )
    table.to_parquet(tmp_path / "pairs.parquet")
    table.iloc[:20].rename(columns={"target": "text"})[["text"]].to_csv(
        tmp_path / "test.csv", index=False
    )
    return tmp_path


def test_an_encoder_learns_a_language(room, tiny_encoder, capsys):
    asked = ["adapt-language", "--pairs", f"xx={room / 'pairs.parquet'}", "--device", "cpu"]
    asked += ["--encoder", str(tiny_encoder), "--without", str(room / "test.csv")]
    asked += ["--training.epochs", "2", "--output", str(room / "student")]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "before" in said and "xx" in said and "18" in said and "Saved" in said
    assert not (room / "student.checkpoints").exists()
    vectors = TransformerEncoder(room / "student", cache=None).transform(["late parcel"])
    plain = TransformerEncoder(tiny_encoder, cache=None).transform(["late parcel"])
    assert vectors.shape == plain.shape and np.abs(vectors - plain).max() > 0
    assert main(asked) == 2
    assert "not empty" in capsys.readouterr().err
    assert main([*asked, "--overwrite", "--seed", "1"]) == 0


def test_what_is_missing_is_said_in_one_line(room, capsys):
    assert main(["adapt-language", "--output", str(room / "x")]) == 2
    assert "--pairs LANGUAGE=FILE" in capsys.readouterr().err
    assert main(["adapt-language", "--pairs", f"xx={room / 'pairs.parquet'}"]) == 2
    assert "--output FOLDER" in capsys.readouterr().err
    missing = ["--pairs", f"xx={room / 'none.csv'}", "--output", str(room / "x")]
    assert main(["adapt-language", *missing]) == 2
    assert "none.csv" in capsys.readouterr().err

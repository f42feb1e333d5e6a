"""The recipe and the command of other languages, launched in two processes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nlptl import TransformerEncoder

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["command", "recipe"])
def test_two_processes_train_one_student(tmp_path, tiny_encoder, launch, way):
    rng = np.random.default_rng(0)
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="float32")
    words = [word for word in encoder.folder.tokenizer.get_vocab() if word.isalpha()]
    rows = [rng.integers(0, len(words), 5) for _ in range(80)]
    table = pd.DataFrame(
        {
            "source": [" ".join(words[i] for i in row) for row in rows],
            "target": [" ".join(words[i - 9] for i in row) for row in rows],
        }
    )
    table.to_csv(tmp_path / "pairs.csv", index=False)
    settings = yaml.safe_load((RECIPES / "crosslingual.yaml").read_text())
    settings |= {"pairs": {"xx": str(tmp_path / "pairs.csv")}, "encoder": str(tiny_encoder)}
    settings |= {"output": str(tmp_path / "student"), "device": "cpu"}
    settings["training"] |= {"batch_size": 16}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    words = {
        "command": ["-m", "nlptl", "adapt-language", "--config", tmp_path / "run.yaml"],
        "recipe": [RECIPES / "crosslingual.py", tmp_path / "pairs.csv", "--language", "xx"],
    }[way]
    if way == "recipe":
        words += ["--encoder", tiny_encoder, "--output", tmp_path / "student"]
    done = launch(*words)
    assert done.returncode == 0, done.err
    assert done.out.count("Saved:") == 1
    student = TransformerEncoder(tmp_path / "student", cache=None, precision="float32")
    texts = table["target"][:5].tolist()
    assert np.abs(student.transform(texts) - encoder.transform(texts)).max() > 1e-4

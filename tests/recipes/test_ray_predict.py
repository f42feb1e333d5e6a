import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nlptl import TextClassifier, TfidfEncoder, support_requests

pytest.importorskip("ray")

RECIPE = Path(__file__).parents[2] / "recipes" / "ray_predict.py"


@pytest.mark.slow
def test_twenty_thousand_rows_are_predicted_once_and_in_order(tmp_path):
    texts, labels = support_requests()
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    model.save(tmp_path / "model")
    table = pd.DataFrame({"id": range(20_000), "text": [texts[i % 480] for i in range(20_000)]})
    table.to_parquet(tmp_path / "new.parquet")
    paths = {"--model": "model", "--data": "new.parquet", "--output": "scored"}
    command = [sys.executable, str(RECIPE), "--batch-rows", "1000"]
    for option, name in paths.items():
        command += [option, str(tmp_path / name)]
    environment = {**os.environ, "RAY_DISABLE_IMPORT_WARNING": "1"}
    subprocess.run(command, check=True, env=environment, timeout=500, capture_output=True)
    scored = pd.read_parquet(tmp_path / "scored")
    assert scored["id"].tolist() == list(range(20_000))
    assert scored["predicted"].tolist() == model.predict(table["text"]).tolist()
    again = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert again.returncode == 2 and "exists. Choose a new folder" in again.stderr

import pandas as pd

from nlptl.cli.main import main


def test_a_table_is_audited_blanks_and_leaks_included(capsys, tmp_path):
    train, test = tmp_path / "a.csv", tmp_path / "b.csv"
    pd.DataFrame({"text": ["x", "X", "", "y"], "label": list("ppnn")}).to_csv(train, index=False)
    pd.DataFrame({"text": ["y", "z"]}).to_csv(test, index=False)
    assert main(["audit", str(train), "--other", str(test)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in ("1 rows have no text", "1 rows repeat an earlier row", "are also training rows"):
        assert part in out


def test_a_table_without_labels_is_audited_too(capsys, tmp_path):
    pd.DataFrame({"text": ["x", "y"]}).to_csv(tmp_path / "a.csv", index=False)
    assert main(["audit", str(tmp_path / "a.csv")]) == 0
    assert "no labels" in capsys.readouterr().out

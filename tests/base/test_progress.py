from nlptl.base.progress import progress_bar


def test_a_hidden_bar_counts_and_writes_nothing(capsys):
    with progress_bar(total=3, unit="text", description="Encoding", show=False) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_short_work_shows_nothing_even_where_bars_are_wanted(capsys):
    with progress_bar(total=2, unit="text", description="Encoding", show=True) as bar:
        bar.update(2)
    assert "Encoding" not in capsys.readouterr().err

from nlptl.base.progress import progress_bar, shared_progress


def test_a_hidden_bar_counts_and_writes_nothing(capsys):
    with progress_bar(total=3, unit="text", description="Encoding", show=False) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_short_work_shows_nothing_even_where_bars_are_wanted(capsys):
    with progress_bar(total=2, unit="text", description="Encoding", show=True) as bar:
        bar.update(2)
    assert "Encoding" not in capsys.readouterr().err


def test_bars_of_parts_advance_one_shared_bar(capsys):
    with shared_progress(total=5, unit="text", description="Predicting", show=True) as shared:
        for size in (3, 2):
            with progress_bar(total=size, unit="text", description="Encoding", show=True) as bar:
                bar.update(size)
        assert shared.n == 5
    assert "Encoding" not in capsys.readouterr().err
    with progress_bar(total=2, unit="text", description="Encoding", show=False) as bar:
        bar.update(1)
    assert bar is not shared and shared.n == 5

import logging

from nlptl.base.progress import (
    is_trial,
    log_stage,
    progress_bar,
    shared_progress,
    trial_fits,
)


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


def test_a_stage_is_logged_and_that_of_a_trial_is_a_detail(caplog):
    logger = logging.getLogger("nlptl.some.module")
    with caplog.at_level(logging.DEBUG, logger="nlptl"):
        log_stage(logger, "Encoding %d texts", 3)
        with trial_fits():
            assert is_trial()
            log_stage(logger, "Fitting the head")
    assert not is_trial()
    assert caplog.record_tuples == [
        ("nlptl.some.module", logging.INFO, "Encoding 3 texts"),
        ("nlptl.some.module", logging.DEBUG, "Fitting the head"),
    ]

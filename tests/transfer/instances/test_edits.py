import numpy as np
import pytest

from nlptl import WordEdits
from nlptl.base.errors import ConfigError

TEXT = " ".join(f"w{i}" for i in range(200))


def test_a_share_of_the_words_is_left_out():
    copies = WordEdits(copies=20, share=0.1).edited([TEXT], seed=0)
    kept = [len(copy.split()) / 200 for copy in copies]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert all(set(copy.split()) <= set(TEXT.split()) for copy in copies)
    assert len(set(copies)) == 20


def test_a_share_of_the_words_changes_places():
    copies = WordEdits(copies=20, share=0.1).edited([TEXT], seed=0)
    turned = []
    for copy in copies:
        places = np.array([int(word[1:]) for word in copy.split()])
        turned.append(np.mean(np.diff(places) < 0))
    assert 0.05 < np.mean(turned) < 0.15


def test_copies_come_round_by_round_and_the_seed_decides():
    edits = WordEdits(copies=2, share=0.3)
    found = edits.edited([TEXT, "one"], seed=3)
    assert found[1] == found[3] == "one"  # no text is left empty
    assert found == edits.edited([TEXT, "one"], seed=3)
    assert found != edits.edited([TEXT, "one"], seed=4)


@pytest.mark.parametrize("options", [{"copies": 0}, {"share": 0.0}, {"share": 1.0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        WordEdits(**options)

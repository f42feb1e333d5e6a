from dataclasses import FrozenInstanceError

import pytest

from nlptl.config.part import Part


def test_a_part_without_a_name_takes_the_default():
    assert Part() == Part(None, {}) and not Part().options
    with pytest.raises(FrozenInstanceError):
        Part().name = "lora"

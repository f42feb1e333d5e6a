import pytest

from nlptl.base.errors import ConfigError
from nlptl.serving import Limits


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(ConfigError, match=r"max_batch .*got 0; read_seconds .*got nan"):
        Limits(max_batch=0, read_seconds=float("nan"))


def test_a_request_of_the_allowed_size_can_wait():
    with pytest.raises(ConfigError, match=r"at least max_texts=256, got 255"):
        Limits(max_waiting=255)

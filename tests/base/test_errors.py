import pytest

from nlptl.base import errors


@pytest.mark.parametrize(
    ("error", "familiar"),
    [
        (errors.InputError, ValueError),
        (errors.ConfigError, ValueError),
        (errors.StorageError, OSError),
        (errors.IntegrityError, errors.StorageError),
        (errors.EncoderNotFoundError, OSError),
    ],
)
def test_every_error_is_ours_and_of_a_kind_that_people_catch(error, familiar):
    assert issubclass(error, errors.NlptlError)
    assert issubclass(error, familiar)
    assert str(error("what to do")) == "what to do"


def test_a_warning_can_be_hidden_by_its_class_or_as_that_of_a_user():
    assert issubclass(errors.AuditWarning, UserWarning)

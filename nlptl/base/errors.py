"""Exceptions and warnings of nlptl. Messages state what is expected, what came, what to do."""


class NlptlError(Exception):
    """Base class of all exceptions that nlptl raises on purpose."""


class InputError(NlptlError, ValueError):
    """The data passed to a function cannot be used."""


class ConfigError(NlptlError, ValueError):
    """An option, or a combination of options, is not valid."""


class StorageError(NlptlError, OSError):
    """A file or folder cannot be read or written."""


class IntegrityError(StorageError):
    """A stored file is missing, damaged, or changed since it was written."""


class ElsewhereError(NlptlError):
    """Another process of the same run failed. The error message of that process has the reason."""


class EncoderNotFoundError(NlptlError, OSError):
    """A pretrained encoder is neither a local folder nor available from the Hub."""


class HubError(NlptlError, OSError):
    """The Hugging Face Hub cannot be reached, refuses a request, or returns unusable content."""


class HarmWarning(UserWarning):
    """Other data, such as a source, make a model worse on labelled rows of the target.

    ``transfer_verdict_`` has the comparison. ``on_harm="roll-back"`` drops such data.
    """


class AuditWarning(UserWarning):
    """The rows of a fit have problems, such as texts with different labels.

    ``warnings.simplefilter("ignore", AuditWarning)`` hides it. ``audit_`` has the details.
    """

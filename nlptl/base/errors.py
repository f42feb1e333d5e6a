"""The errors nlptl raises: each says what was expected, what was given and what to do next."""


class NlptlError(Exception):
    """Parent of every error raised on purpose by nlptl."""


class InputError(NlptlError, ValueError):
    """The data given to a call cannot be used as it is."""


class ConfigError(NlptlError, ValueError):
    """An option, or a combination of options, makes no sense."""


class StorageError(NlptlError, OSError):
    """A file or folder cannot be read or written."""


class IntegrityError(StorageError):
    """A stored file is missing, damaged or was changed since it was written."""


class ElsewhereError(NlptlError):
    """Another process of this launch could not go on; that one says why."""


class EncoderNotFoundError(NlptlError, OSError):
    """A pretrained encoder is neither a local folder nor available from the Hub."""


class HubError(NlptlError, OSError):
    """The Hugging Face Hub cannot be reached, refuses, or gives what cannot be used."""

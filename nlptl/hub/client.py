"""The client of the Hub. Its errors become short messages that never contain a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from nlptl.base.errors import ConfigError, HubError, NlptlError

SAFE = {".json", ".md", ".onnx", ".png", ".safetensors", ".svg", ".txt"}
"""Kinds of files that are published and fetched: data and pictures, no code.

A graph (.onnx) is a list of operations from a closed set of operators and has access to nothing
else. Libraries of custom operators would be code: they are files of other kinds and are never
loaded. External files with the numbers of a graph are never loaded either.
"""

_NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_PATIENCE = 10.0
"""Timeout in seconds of a request whose answer is optional."""

_LOG_IN = "Run: hf auth login, or set HF_TOKEN"


def is_safe(path: str) -> bool:
    """Return True if a file is of a kind that contains no code."""
    return PurePosixPath(path).suffix in SAFE


def is_name(repo: str) -> bool:
    """Return True if a text is a valid name of a repository: ``"user/name"``."""
    ends = tuple(part[-1:] for part in repo.split("/"))
    odd = "--" in repo or ".." in repo or repo.endswith(".git") or {"-", "."} & set(ends)
    return _NAME.fullmatch(repo) is not None and not odd


def check_name(repo: str) -> str:
    """Return the name of a repository after a check of its form.

    Raises
    ------
    ConfigError
        If the name does not have the form ``"user/name"``.
    """
    if not is_name(repo):
        raise ConfigError(
            "Expected the name of a repository as 'user/name' (letters, digits, '-', '_', '.'), "
            f"got {repo!r}. Correct the name."
        )
    return repo


def client() -> Any:
    """Create a client of the Hub with the token from HF_TOKEN or from ``hf auth login``."""
    from huggingface_hub import HfApi

    return HfApi(library_name="nlptl")


def license_of(repo: str) -> str | None:
    """Return the license of a model on the Hub; None if it cannot be read or is not recorded."""
    with suppress(Exception):
        metadata = client().model_info(repo, timeout=_PATIENCE).card_data
        name = None if metadata is None else metadata.get("license")
        return name if isinstance(name, str) else None
    return None


@contextmanager
def explained(repo: str, doing: str) -> Iterator[None]:
    """Turn exceptions of the client into messages that state the reason and what to do.

    Raises
    ------
    HubError
        If the Hub cannot be reached, refuses a request, or returns an unusable answer.
    """
    from huggingface_hub import errors
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = f"{doing} {repo!r}"
    try:
        yield
    except LocalTokenNotFoundError as problem:
        raise HubError(f"{name} needs a token. {_LOG_IN}.") from problem
    except GatedRepoError as problem:
        raise HubError(
            f"{name} failed: its owner grants access on request. Request access on the page of "
            f"the repository, then log in. {_LOG_IN}."
        ) from problem
    except RepositoryNotFoundError as problem:
        raise HubError(
            f"{name} failed: there is no such repository, or it is private and your token has no "
            f"access to it. Check the name. {_LOG_IN}."
        ) from problem
    except RevisionNotFoundError as problem:
        raise HubError(f"{name} failed: there is no such revision. Check its name.") from problem
    except LocalEntryNotFoundError as problem:
        raise HubError(
            f"{name} failed: the Hub cannot be reached, and the repository is not in the cache. "
            "Check the connection."
        ) from problem
    except HfHubHTTPError as problem:
        raise HubError(f"{name} failed: {_reason(problem)}") from problem
    except NlptlError:
        raise
    except (OSError, ValueError, vars(errors)["HTTPError"]) as problem:
        raise HubError(f"{name} failed: {_first_line(problem)}") from problem


def _reason(problem: Exception) -> str:
    status = getattr(getattr(problem, "response", None), "status_code", None)
    reasons = {
        401: f"the token is missing or not valid. {_LOG_IN}.",
        403: "the token may not do this. Create a token with write access, then log in with it.",
        409: "the name is already used for something else, or somebody else is writing to the "
        "repository. Try again.",
        412: "somebody else published there meanwhile. Check that version, then publish again.",
    }
    if status in reasons:
        return reasons[status]
    if status is not None and status >= 500:
        return f"the Hub answered {status}. No incomplete version was created. Try again later."
    return _first_line(problem)


def _first_line(problem: object) -> str:
    return str(problem).strip().split("\n", 1)[0][:200]

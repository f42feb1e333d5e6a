"""Talking to the Hub: what goes wrong is said in one sentence, and no token with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from nlptl.base.errors import ConfigError, HubError, NlptlError

SAFE = {".json", ".md", ".onnx", ".png", ".safetensors", ".svg", ".txt"}
"""Kinds of file that are published and fetched: data and pictures, nothing that runs.

A graph (.onnx) says which numbers to multiply, from a closed list of operators, and reaches nothing
else. Libraries of own operators would be code: they are files of other kinds, and never loaded,
and so are files of numbers beside a graph.
"""

_NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_PATIENCE = 10.0
"""Seconds."""

_LOG_IN = "Run: hf auth login, or set HF_TOKEN"


def is_safe(path: str) -> bool:
    """Tell whether a file is of a kind that nothing is run from."""
    return PurePosixPath(path).suffix in SAFE


def is_name(repo: str) -> bool:
    """Tell whether something could be a repository: ``"user/name"``."""
    ends = tuple(part[-1:] for part in repo.split("/"))
    odd = "--" in repo or ".." in repo or repo.endswith(".git") or {"-", "."} & set(ends)
    return _NAME.fullmatch(repo) is not None and not odd


def check_name(repo: str) -> str:
    """Give the name of a repository.

    Raises
    ------
    ConfigError
        If it is no ``"user/name"``.
    """
    if not is_name(repo):
        raise ConfigError(
            f"Give a repository as 'user/name' (letters, digits, '-', '_', '.'), got {repo!r}."
        )
    return repo


def client() -> Any:
    """Make the client of the Hub, with the token of HF_TOKEN or of ``hf auth login``."""
    from huggingface_hub import HfApi

    return HfApi(library_name="nlptl")


def license_of(repo: str) -> str | None:
    """Ask the Hub for the license of a model; None where it cannot be asked, or does not know."""
    with suppress(Exception):
        told = client().model_info(repo, timeout=_PATIENCE).card_data
        named = None if told is None else told.get("license")
        return named if isinstance(named, str) else None
    return None


@contextmanager
def explained(repo: str, doing: str) -> Iterator[None]:
    """Turn what the client raises into one sentence of what to do.

    Raises
    ------
    HubError
        If the Hub cannot be reached, refuses, or answers what cannot be used.
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
            f"{name} failed: its owner gives access on request. Ask for it on its page, then "
            f"log in. {_LOG_IN}."
        ) from problem
    except RepositoryNotFoundError as problem:
        raise HubError(
            f"{name} failed: there is no such repository, or it is private and your token does "
            f"not open it. Check the name. {_LOG_IN}."
        ) from problem
    except RevisionNotFoundError as problem:
        raise HubError(f"{name} failed: there is no such revision.") from problem
    except LocalEntryNotFoundError as problem:
        raise HubError(
            f"{name} failed: the Hub cannot be reached, and it is not in the cache."
        ) from problem
    except HfHubHTTPError as problem:
        raise HubError(f"{name} failed: {_told(problem)}") from problem
    except NlptlError:
        raise
    except (OSError, ValueError, vars(errors)["HTTPError"]) as problem:
        raise HubError(f"{name} failed: {_first(problem)}") from problem


def _told(problem: Any) -> str:
    status = getattr(getattr(problem, "response", None), "status_code", None)
    known = {
        401: f"the token is missing or not known. {_LOG_IN}.",
        403: "the token may not do this. Make one that may write, then log in with it.",
        409: "there is something else of that name, or another writes to it just now. Try again.",
        412: "somebody published there meanwhile. Look at it, then publish again.",
    }
    if status in known:
        return known[status]
    if status is not None and status >= 500:
        return f"the Hub answered {status}. Try again later; nothing is there in part."
    return _first(problem)


def _first(problem: object) -> str:
    return str(problem).strip().split("\n", 1)[0][:200]

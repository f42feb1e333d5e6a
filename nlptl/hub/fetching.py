"""Fetching a model: of one commit, every file checked, none that could run."""

from __future__ import annotations

from pathlib import Path

from nlptl.base.errors import HubError, IntegrityError
from nlptl.hub.client import SAFE, check_name, client, explained
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import read_manifest, verify_manifest


def fetch_folder(repo: str, *, revision: str | None = None, offline: bool = False) -> Path:
    """Fetch a model from the Hub, or from its cache where the Hub cannot be reached.

    The revision is resolved to a commit first, and all files are of that commit. They are held
    against the sha256 in the manifest: the client itself takes a damaged file of the right
    length for whole.

    Parameters
    ----------
    repo : str
        ``"user/name"``.
    revision : str, optional
        Commit, branch or tag; None is the main branch.
    offline : bool
        Look into the cache alone.

    Returns
    -------
    Path
        The folder in the Hub's cache.

    Raises
    ------
    ConfigError
        If ``repo`` is no name of a repository.
    HubError
        If it cannot be fetched and is not in the cache, or is no model of nlptl.
    IntegrityError
        If a file is not what was published; it is named.
    """
    check_name(repo)
    patterns = [f"*{kind}" for kind in sorted(SAFE)]
    hub = client()
    with explained(repo, "Fetching"):
        # The client resolves the revision to a commit and falls back to its cache by itself.
        folder = Path(
            hub.snapshot_download(
                repo, revision=revision, allow_patterns=patterns, local_files_only=offline
            )
        )
    try:
        record = read_manifest(folder)
    except IntegrityError:
        raise
    except OSError as problem:
        raise HubError(
            f"{repo!r} holds no model of nlptl: it has no manifest. An encoder is loaded by "
            "TransformerEncoder(name)."
        ) from problem
    try:
        verify_manifest(folder, kind=record["kind"])
    except IntegrityError as problem:
        _forget(folder, record["files"])
        raise IntegrityError(
            f"{repo!r} was not fetched whole, or is not what was published. {problem} What was "
            "wrong is no longer in the cache: fetch it again."
        ) from problem
    return folder


def _forget(folder: Path, files: dict[str, dict[str, str]]) -> None:
    """Take damaged files out of the cache, where they would be found again."""
    for name, expected in files.items():
        path = folder / name
        if path.is_file() and sha256_of(path) != expected["sha256"]:
            path.resolve().unlink()
            path.unlink(missing_ok=True)

"""Fetching a model: of one commit, every file checked, none that could run."""

from __future__ import annotations

from glob import escape
from pathlib import Path

from nlptl.base.errors import HubError, IntegrityError
from nlptl.base.paths import user_path
from nlptl.hub.client import check_name, client, explained, is_safe
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, read_manifest, verify_manifest


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
    with explained(repo, "Fetching"):
        # The client resolves the revision to a commit and falls back to its cache by itself.
        folder = _snapshot(repo, [MANIFEST], revision, offline=offline)
    try:
        record = read_manifest(folder)
    except IntegrityError:
        raise
    except OSError as problem:
        raise HubError(
            f"{repo!r} holds no model of nlptl: it has no manifest. An encoder is loaded by "
            "TransformerEncoder(name)."
        ) from problem
    unsafe = [name for name in record["files"] if not is_safe(name)]
    if unsafe:
        raise IntegrityError(
            f"{repo!r} names {unsafe[0]!r}, and files of that kind are not fetched: loading them "
            "may run what is in them."
        )
    with explained(repo, "Fetching"):
        folder = _snapshot(repo, [*record["files"], MANIFEST], folder.name, offline=offline)
    try:
        verify_manifest(folder, kind=record["kind"])
    except IntegrityError as problem:
        _forget(folder, record["files"])
        raise IntegrityError(
            f"{repo!r} was not fetched whole, or is not what was published. {problem} What was "
            "damaged is no longer in the cache: fetch it again."
        ) from problem
    return folder


def _snapshot(repo: str, names: list[str], revision: str | None, *, offline: bool) -> Path:
    """Fetch some files of one commit; the folder is called after it."""
    from huggingface_hub import constants

    user_path(constants.HF_HUB_CACHE)  # which would be a folder "~" here without a home folder
    asked = {"allow_patterns": [escape(name) for name in names], "local_files_only": offline}
    return Path(client().snapshot_download(repo, revision=revision, **asked))


def _forget(folder: Path, files: dict[str, dict[str, str]]) -> None:
    """Take damaged files out of the cache, where they would be found again; nothing else."""
    cache = folder.resolve().parent.parent
    for name, expected in files.items():
        path = folder / name
        held = path.resolve()
        if not path.is_file() or not held.is_relative_to(cache):
            continue
        if sha256_of(path) != expected["sha256"]:
            held.unlink()
            path.unlink(missing_ok=True)

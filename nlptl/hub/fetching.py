"""Fetch models from the Hub: all files from one commit, all checked, and no code."""

from __future__ import annotations

from glob import escape
from pathlib import Path

from nlptl.base.errors import HubError, IntegrityError
from nlptl.base.paths import user_path
from nlptl.hub.client import check_name, client, explained, is_safe
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, read_manifest, verify_manifest


def fetch_folder(repo: str, *, revision: str | None = None, offline: bool = False) -> Path:
    """Fetch a model from the Hub, or from the local cache if the Hub cannot be reached.

    The revision is resolved to a commit first, and all files come from that commit. Each file is
    compared with its sha256 in the manifest, because the client itself accepts a damaged file of
    the right length.

    Parameters
    ----------
    repo : str
        ``"user/name"``.
    revision : str, optional
        Commit, branch or tag; None uses the main branch.
    offline : bool
        Use only the cache.

    Returns
    -------
    Path
        The folder in the Hub's cache.

    Raises
    ------
    ConfigError
        If ``repo`` is not a valid name of a repository.
    HubError
        If the model cannot be fetched and is not in the cache, or is not a model of nlptl.
    IntegrityError
        If a file differs from the published file. The message names the file.
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
            f"{repo!r} holds no model of nlptl: it has no manifest. To load an encoder, use "
            "TransformerEncoder(name)."
        ) from problem
    unsafe = [name for name in record["files"] if not is_safe(name)]
    if unsafe:
        raise IntegrityError(
            f"The manifest of {repo!r} lists {unsafe[0]!r}. Files of that kind are not fetched, "
            "because loading them may run code. Ask the owner to publish the model without it."
        )
    with explained(repo, "Fetching"):
        folder = _snapshot(repo, [*record["files"], MANIFEST], folder.name, offline=offline)
    try:
        verify_manifest(folder, kind=record["kind"])
    except IntegrityError as problem:
        _forget(folder, record["files"])
        raise IntegrityError(
            f"The download of {repo!r} is incomplete or differs from what was published. {problem} "
            "The damaged files were removed from the cache. Fetch the model again."
        ) from problem
    return folder


def _snapshot(repo: str, names: list[str], revision: str | None, *, offline: bool) -> Path:
    """Fetch some files of one commit and return their folder, whose name is the commit."""
    from huggingface_hub import constants

    # Fails early: without a home folder, the client would create a folder named "~" here.
    user_path(constants.HF_HUB_CACHE)
    options = {"allow_patterns": [escape(name) for name in names], "local_files_only": offline}
    return Path(client().snapshot_download(repo, revision=revision, **options))


def _forget(folder: Path, files: dict[str, dict[str, str]]) -> None:
    """Remove damaged files, and only these, from the cache, so that they are fetched again."""
    cache = folder.resolve().parent.parent
    for name, expected in files.items():
        path = folder / name
        target = path.resolve()
        if not path.is_file() or not target.is_relative_to(cache):
            continue
        if sha256_of(path) != expected["sha256"]:
            target.unlink()
            path.unlink(missing_ok=True)

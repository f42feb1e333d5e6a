"""Publish a folder on the Hub: all files in one commit, or nothing."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.paths import user_path
from nlptl.hub.client import check_name, client, explained, is_safe
from nlptl.reports.card import CONFUSION, CURVE
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, files_of, read_manifest, verify_manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

_CARD = {"README.md", CONFUSION, CURVE}
"""Files that are written for the Hub after the manifest, so the manifest does not list them."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a publication.

    Attributes
    ----------
    path : str
        Path of the file within the repository.
    size : int
        Size in bytes.
    sha256 : str
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Publication:
    """Result of a publication, or of a dry run.

    Attributes
    ----------
    repo : str
    files : tuple of PublishedFile
    commit : str or None
        The commit that contains the files; None for a dry run.
    url : str or None
    changed : bool
        True if the publication created a new commit.
    """

    repo: str
    files: tuple[PublishedFile, ...]
    commit: str | None = None
    url: str | None = None
    changed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the publication as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Build the publication from the result of ``to_json``."""
        return cls(**{**record, "files": tuple(PublishedFile(**file) for file in record["files"])})

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        return sum(file.size for file in self.files)


def publish_folder(
    folder: str | Path,
    repo: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    dry_run: bool = False,
) -> Publication:
    """Publish a folder with a manifest as a model on the Hub, in one commit.

    The same commit deletes files of an earlier publication that the new one does not have. Files
    that nlptl did not publish stay, except the card, which is replaced. If nothing changed, there
    is no commit. If somebody else commits in the meantime, nothing is published. Files that were
    uploaded before an interruption are not uploaded again.

    Parameters
    ----------
    folder : str or Path
        Folder of a saved model.
    repo : str
        ``"user/name"``; the repository is created if it does not exist.
    private : bool, optional
        True creates a private repository, False a public one. None uses the default of the
        account. It applies to new repositories only.
    revision : str, optional
        Name of a branch; None uses the main branch.
    message : str, optional
        Commit message.
    dry_run : bool
        List the files that would be published, without contacting the Hub.

    Raises
    ------
    ConfigError
        If ``repo`` is not a valid name of a repository.
    StorageError
        If the folder holds no model.
    IntegrityError
        If a file of the model was changed after it was saved, or is a link.
    HubError
        If the Hub cannot be reached or refuses a request.
    """
    check_name(repo)
    path = user_path(folder)
    files = listed(path)
    if dry_run:
        return Publication(repo, files)
    hub = client()
    with explained(repo, "Publishing"):
        hub.create_repo(repo, private=private, exist_ok=True)
        if revision is not None:
            hub.create_branch(repo, branch=revision, exist_ok=True)
        before = hub.model_info(repo, revision=revision)
        if private and not before.private:
            raise ConfigError(
                f"{repo!r} exists already and is public. Make it private on its page first, or "
                "do not pass private."
            )
        commit = hub.create_commit(
            repo,
            _operations(path, files, _published(hub, repo, before)),
            commit_message=message or "Publish a model",
            parent_commit=before.sha,
            revision=revision,
        )
    changed = commit.oid != before.sha
    return Publication(repo, files, commit.oid, str(commit.commit_url), changed)


def listed(folder: Path) -> tuple[PublishedFile, ...]:
    """List the files of a model to publish: the files of its manifest and its card.

    Raises
    ------
    StorageError
        If the folder holds no model.
    IntegrityError
        If a file was changed after it was saved, or is a link.
    ConfigError
        If the model has a file of a kind that may contain code and is never fetched.
    """
    record = read_manifest(folder)
    unsafe = [name for name in record["files"] if not is_safe(name)]
    if unsafe:
        raise ConfigError(
            f"{str(folder)!r} holds {unsafe[0]!r}. Files of that kind are not published, because "
            "loading them may run code. Save the model without this file."
        )
    verify_manifest(folder, kind=record["kind"])
    present = files_of(folder)
    card = _CARD & present
    unlisted = sorted(present - {*record["files"], MANIFEST, *card})
    if unlisted:
        warnings.warn(
            f"{str(folder)!r} holds {len(unlisted)} files that are not part of the model and are "
            f"not published, such as {unlisted[0]!r}.",
            stacklevel=3,
        )
    hashes = {name: entry["sha256"] for name, entry in record["files"].items()}
    hashes |= {name: sha256_of(folder / name) for name in (MANIFEST, *card)}
    return tuple(
        PublishedFile(name, (folder / name).stat().st_size, digest)
        for name, digest in sorted(hashes.items())
    )


def _published(hub: HfApi, repo: str, before: ModelInfo) -> set[str]:
    """Return the names of files from an earlier publication that are still in the repository."""
    present = {sibling.rfilename for sibling in before.siblings or ()}
    if MANIFEST not in present:
        return set()
    path = hub.hf_hub_download(repo, MANIFEST, revision=before.sha)
    try:
        record = read_manifest(Path(path).parent)
    except StorageError:
        return set()
    return present & {*record["files"], CONFUSION, CURVE}


def _operations(folder: Path, files: tuple[PublishedFile, ...], earlier: set[str]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    obsolete = sorted(earlier - {file.path for file in files})
    return [
        *(CommitOperationAdd(file.path, folder / file.path) for file in files),
        *(CommitOperationDelete(path) for path in obsolete),
    ]

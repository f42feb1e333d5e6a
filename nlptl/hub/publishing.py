"""Publishing a folder: everything in one commit, or nothing."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.paths import user_path
from nlptl.hub.client import check_name, client, explained, is_safe
from nlptl.reports.card import CONFUSION, CURVE
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, files_of, read_manifest, verify_manifest

_CARD = {"README.md", CONFUSION, CURVE}
"""Written for the Hub, after the manifest."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a publication.

    Attributes
    ----------
    path : str
        Within the repository.
    size : int
        In bytes.
    sha256 : str
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Publication:
    """What was published, or would be.

    Attributes
    ----------
    repo : str
    files : tuple of PublishedFile
    commit : str or None
        The commit that holds it; None for a rehearsal.
    url : str or None
    changed : bool
        Whether there was anything to commit.
    """

    repo: str
    files: tuple[PublishedFile, ...]
    commit: str | None = None
    url: str | None = None
    changed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Describe it with plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave."""
        return cls(**{**told, "files": tuple(PublishedFile(**one) for one in told["files"])})

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(one.size for one in self.files)


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

    What an earlier publication had and this one has not is deleted in the same commit; files
    that nlptl did not publish stay, but for the card, which is written anew. Where nothing
    changed there is no commit. Where somebody else committed after this began, nothing
    is published. Files that were uploaded before an interruption are not uploaded again.

    Parameters
    ----------
    folder : str or Path
        As a model is saved.
    repo : str
        ``"user/name"``; it is made where it does not exist.
    private : bool, optional
        For a new repository; None leaves it to the account.
    revision : str, optional
        A branch; None is the main one.
    message : str, optional
        Of the commit.
    dry_run : bool
        List what would be published and talk to nobody.

    Raises
    ------
    ConfigError
        If ``repo`` is no name of a repository.
    StorageError
        If the folder holds no model.
    IntegrityError
        If a file of the model is not as it was saved, or is a link.
    HubError
        If the Hub cannot be reached or refuses.
    """
    check_name(repo)
    place = user_path(folder)
    files = listed(place)
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
                f"{repo!r} is there already and public. Make it private on its page first, or "
                "leave private out."
            )
        done = hub.create_commit(
            repo,
            _operations(place, files, _published(hub, repo, before)),
            commit_message=message or "Publish a model",
            parent_commit=before.sha,
            revision=revision,
        )
    changed = done.oid != before.sha
    return Publication(repo, files, done.oid, str(done.commit_url), changed)


def listed(folder: Path) -> tuple[PublishedFile, ...]:
    """List the files of a model that are published: those of its manifest, and its card.

    Raises
    ------
    StorageError
        If the folder holds no model.
    IntegrityError
        If a file is not as it was saved, or is a link.
    ConfigError
        If the model has a file of a kind that others are right not to fetch.
    """
    record = read_manifest(folder)
    unsafe = [name for name in record["files"] if not is_safe(name)]
    if unsafe:
        raise ConfigError(
            f"{str(folder)!r} holds {unsafe[0]!r}, and files of that kind are not published: "
            "loading them may run what is in them."
        )
    verify_manifest(folder, kind=record["kind"])
    present = files_of(folder)
    card = _CARD & present
    left_out = sorted(present - {*record["files"], MANIFEST, *card})
    if left_out:
        warnings.warn(
            f"{str(folder)!r} holds {len(left_out)} files that are not part of the model and are "
            f"not published, such as {left_out[0]!r}.",
            stacklevel=3,
        )
    hashes = {name: entry["sha256"] for name, entry in record["files"].items()}
    hashes |= {name: sha256_of(folder / name) for name in (MANIFEST, *card)}
    return tuple(
        PublishedFile(name, (folder / name).stat().st_size, digest)
        for name, digest in sorted(hashes.items())
    )


def _published(hub: Any, repo: str, before: Any) -> set[str]:
    """Name the files of an earlier publication that are still there."""
    there = {sibling.rfilename for sibling in before.siblings or ()}
    if MANIFEST not in there:
        return set()
    path = hub.hf_hub_download(repo, MANIFEST, revision=before.sha)
    try:
        record = read_manifest(Path(path).parent)
    except StorageError:
        return set()
    return there & {*record["files"], CONFUSION, CURVE}


def _operations(folder: Path, files: tuple[PublishedFile, ...], earlier: set[str]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    gone = sorted(earlier - {one.path for one in files})
    return [
        *(CommitOperationAdd(one.path, folder / one.path) for one in files),
        *(CommitOperationDelete(path) for path in gone),
    ]

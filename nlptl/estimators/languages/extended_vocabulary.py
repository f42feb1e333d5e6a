"""Encoders with additional subword tokens, which are built once and kept in the cache folder."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from nlptl.base.errors import StorageError
from nlptl.data.languages.parallel import ParallelText
from nlptl.encoders.bilingual.vocabulary import MADE, NewVocabulary
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import fingerprint, has_checksums, write_checksums
from nlptl.storage.places import cache_root
from nlptl.training.processes import from_main


def with_vocabulary(
    encoder: TransformerEncoder, vocabulary: NewVocabulary, pairs: ParallelText, *, seed: int
) -> TransformerEncoder:
    """Return a copy of an encoder with tokens for the translations.

    The copy lies in the cache folder. If that cannot be written, it lies in a temporary folder of
    this process.

    Parameters
    ----------
    encoder : TransformerEncoder
    vocabulary : NewVocabulary
    pairs : ParallelText
        Sentences with the translations that the tokens are built from.
    seed : int
    """
    name = fingerprint([MADE, encoder.fingerprint, repr(vocabulary), pairs.rows(), seed])

    def extend(root: Path) -> str:
        folder = root / "vocabularies" / name
        sweep_drafts(folder.parent, name)
        if not has_checksums(folder):
            vocabulary.extend(encoder, pairs, folder, seed=seed)
            write_checksums(folder)
        return str(folder)

    def extended_encoder() -> str:
        try:
            return extend(cache_root())
        except StorageError as problem:
            warnings.warn(f"The vocabulary cannot be cached: {problem}", stacklevel=2)
        return extend(_folder_of_this_process())

    folder = from_main(extended_encoder)
    return replace(encoder, name_or_path=folder, revision=None, weights=None)


def _folder_of_this_process() -> Path:
    """Create a temporary folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="nlptl-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)

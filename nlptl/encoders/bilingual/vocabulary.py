"""A vocabulary for further languages, whose words begin where their translations lie."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.base.specs import Spec
from nlptl.data.languages.parallel import ParallelText
from nlptl.encoders.bilingual.lexicon import mean_vectors, translations
from nlptl.encoders.contextual.loaded import LoadedEncoder, read_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.storage.atomic import new_folder

_TOKENIZER = "tokenizer.json"
MADE = 2
"""Raised when the same pairs give other pieces, or others to begin with, than before."""

_EXTENDED = ("WordPiece", "WordLevel")
_INSIDE = "##"
"""What WordPiece puts before a piece that does not begin a word, where it does not say."""


@dataclass(frozen=True)
class NewVocabulary(Spec):
    """Pieces of words of further languages, put beside those that an encoder has.

    A tokenizer that was made for one language cuts another into letters, or does not read it at
    all. So pieces are learnt from the translations, and each begins as the mean of the pieces
    that it translates, as told by the pairs of sentences, with their usual length; one that no
    pair tells of begins as the mean of the pieces it was cut into before. Pieces that occur in
    the sentences of the encoder's own language are left out, so that these are read as before.
    Starting pieces of one language from those of another is the idea of WECHSEL [1]_, with word
    vectors and a dictionary; here the pairs of sentences themselves say what translates what [2]_.

    Parameters
    ----------
    size : int
        The most pieces for each language, those left out or known before included.
    most : int
        So many pairs of each language, drawn at random, say what translates what.
    rounds : int
        Of expectation and maximisation over them.

    References
    ----------
    .. [1] Minixhofer, Paischer and Rekabsaz, "WECHSEL: Effective initialization of subword
       embeddings for cross-lingual transfer", NAACL 2022, arXiv:2112.06598.
    .. [2] Brown et al., "The Mathematics of Statistical Machine Translation: Parameter
       Estimation", Computational Linguistics 19(2), 1993.
    """

    size: int = 20_000
    most: int = 100_000
    rounds: int = 5

    carries: ClassVar[str] = "features"

    def __post_init__(self) -> None:
        for name in ("size", "most", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def extend(
        self, encoder: TransformerEncoder, pairs: ParallelText, folder: str | Path, *, seed: int = 0
    ) -> TransformerEncoder:
        """Write an encoder with the further pieces; the one given stays as it is.

        Parameters
        ----------
        encoder : TransformerEncoder
        pairs : ParallelText
            Sentences of the encoder's language and their translations.
        folder : str or Path
            Where to.
        seed : int

        Raises
        ------
        ConfigError
            If the encoder does not read by WordPiece, or by words.
        StorageError
            If the folder cannot be written.
        """
        reader = Pieces.of(encoder)
        own = reader.extended(pairs, self.size)
        means, known = mean_vectors(self._counts(reader, own, pairs, seed), reader.vectors)
        further = np.where(known[:, None], means, reader.as_cut(own.names[len(reader.names) :]))
        place = user_path(folder)
        with new_folder(place) as draft:
            reader.write(own, _as_long_as(further, reader.vectors), draft)
        return replace(encoder, name_or_path=place, revision=None, weights=None)

    def _counts(self, reader: Pieces, own: Pieces, pairs: ParallelText, seed: int) -> csr_matrix:
        """Give what further pieces translate: (n_further, n_pieces_before)."""
        before, rng = len(reader.names), np.random.default_rng(seed)
        total = csr_matrix((len(own.names) - before, before))
        for language in sorted(set(pairs.languages)):
            rows = np.flatnonzero(np.array(pairs.languages) == language)
            some = pairs.take(rng.permutation(rows)[: self.most])
            found = translations(
                reader.cut(some.source),
                own.cut(some.target),
                n_words=before,
                n_others=len(own.names),
                rounds=self.rounds,
            )
            total = total + found[before:]
        return total


@dataclass(frozen=True, eq=False)
class Pieces:
    """How an encoder cuts texts into pieces.

    Attributes
    ----------
    encoder : TransformerEncoder
    described : dict
        Its tokenizer, as ``tokenizer.json`` has it, without padding or a longest text.
    names : list of str
        Its pieces, by their numbers.
    """

    encoder: TransformerEncoder
    described: dict[str, Any]
    names: list[str]

    @classmethod
    def of(cls, encoder: TransformerEncoder) -> Pieces:
        """Read them.

        Raises
        ------
        ConfigError
            If they are made of other parts: pieces cannot be put beside those then.
        """
        described = json.loads(encoder.folder.fast_tokenizer.backend_tokenizer.to_str())
        kind = described["model"]["type"]
        if kind not in _EXTENDED:
            raise ConfigError(
                f"{encoder.folder.name!r} cuts words by {kind}, and a new vocabulary needs "
                "WordPiece, as BERT, MiniLM and MPNet have it. Leave the vocabulary as it is."
            )
        vocabulary = described["model"]["vocab"]
        names = sorted(vocabulary, key=vocabulary.get)
        beside = [one["id"] for one in described["added_tokens"]]
        if [vocabulary[name] for name in names] != list(range(len(names))) or any(
            number >= len(names) for number in beside
        ):
            raise ConfigError(
                f"{encoder.folder.name!r} has tokens beside its vocabulary, or gaps in it, and no "
                "pieces can be put after them. Leave the vocabulary as it is."
            )
        return cls(encoder, described | {"padding": None, "truncation": None}, names)

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the numbers of the pieces of each text."""
        from tokenizers import Tokenizer

        reads = Tokenizer.from_str(self._told)
        return [one.ids for one in reads.encode_batch(list(texts), add_special_tokens=False)]

    def extended(self, pairs: ParallelText, size: int) -> Pieces:
        """Learn so many pieces from the translations of each language, and put them beside."""
        further = dict.fromkeys(self.names)
        for language in sorted(set(pairs.languages)):
            texts = sorted({text for _, text, own in pairs.rows() if own == language})
            further |= dict.fromkeys(self._learnt(texts, size))
        return self._reading_as_before(list(further), sorted(set(pairs.source)))

    def _reading_as_before(self, names: list[str], texts: list[str]) -> Pieces:
        """Leave out further pieces until texts are cut as they were."""
        before = len(self.names)
        while True:
            found = Pieces(self.encoder, self.described, names)
            cut = found.cut(texts)
            changed = [i for i, ids in enumerate(cut) if max(ids, default=0) >= before]
            if not changed:
                return found
            # Without those pieces the same texts may be cut by others that are shorter.
            used = {piece for i in changed for piece in cut[i] if piece >= before}
            names = [name for number, name in enumerate(names) if number not in used]
            texts = [texts[i] for i in changed]

    def _learnt(self, texts: Sequence[str], size: int) -> list[str]:
        tokenizer = self.encoder.folder.tokenizer
        own = tokenizer.train_new_from_iterator(texts, size, show_progress=False).get_vocab()
        return sorted(own)  # in which order those as frequent are learnt, is left to chance

    @property
    def vectors(self) -> FloatArray:
        """Where the pieces lie before the first layer: (n, dim)."""
        table = self._model.get_input_embeddings().weight.detach().cpu().float().numpy()
        return np.asarray(table[: len(self.names)])

    def as_cut(self, names: Sequence[str]) -> FloatArray:
        """Give the mean of the vectors of the pieces that further ones are cut into: (n, dim)."""
        inside = self.described["model"].get("continuing_subword_prefix", _INSIDE)
        cut = self.cut([name.removeprefix(inside) for name in names])
        lengths = [len(ids) for ids in cut]
        rows = np.repeat(np.arange(len(cut)), lengths)
        columns = np.array([piece for ids in cut for piece in ids], np.int64)
        shape = (len(cut), len(self.names))
        counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        return mean_vectors(counts, self.vectors)[0]

    def write(self, own: Pieces, further: FloatArray, draft: Path) -> None:
        """Write the encoder with further pieces, and their vectors (n_further, dim)."""
        import torch

        model = copy.deepcopy(self._model)
        model.resize_token_embeddings(len(own.names), mean_resizing=False)
        with torch.no_grad():
            model.get_input_embeddings().weight[len(self.names) :] = torch.from_numpy(further)
        folder = self.encoder.folder
        loaded = LoadedEncoder(folder, model, "float32", "cpu")
        self.encoder.with_weights(loaded).write(draft)
        folder.tokenizer.save_pretrained(draft)
        (draft / _TOKENIZER).write_text(own._told, encoding="utf-8")
        listed = draft / "vocab.txt"
        if listed.is_file():
            listed.write_text("\n".join([*own.names, ""]), encoding="utf-8")

    @property
    def _told(self) -> str:
        numbers = {name: number for number, name in enumerate(self.names)}
        model = self.described["model"] | {"vocab": numbers}
        return json.dumps(self.described | {"model": model}, ensure_ascii=False)

    @property
    def _model(self) -> Any:
        if self.encoder.weights is not None:
            return self.encoder.weights.model
        return read_encoder(self.encoder.folder, "float32", "cpu").model


def _as_long_as(vectors: FloatArray, others: FloatArray) -> FloatArray:
    """Give vectors the mean length of others: a mean of several is shorter than each."""
    usual = np.linalg.norm(others, axis=1).mean()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * (usual / np.maximum(lengths, 1e-12)), np.float32)

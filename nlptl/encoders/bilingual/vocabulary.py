"""Vocabulary for additional languages, whose vectors start at those of their translations."""

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
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder, write_encoder
from nlptl.storage.atomic import new_folder

_TOKENIZER = "tokenizer.json"
MADE = 2
"""Version number. Increase it when the same pairs yield other subwords or other start vectors."""

_EXTENDED = ("WordPiece", "WordLevel")
_INSIDE = "##"
"""Default prefix that WordPiece puts before a subword that does not start a word."""


@dataclass(frozen=True)
class NewVocabulary(Spec):
    """Settings for adding subwords of other languages to the vocabulary of an encoder.

    A tokenizer of one language cuts the words of another into letters, or cannot read them at all.
    New subwords are therefore trained on the translations. The start vector of a new subword is
    the mean vector of the subwords that it translates, scaled to the usual length. Translation
    counts are estimated from the sentence pairs [2]_. A subword without counts starts at the mean
    vector of the old subwords that it was cut into. A new subword is left out if it would change
    how sentences of the encoder's language are tokenized.

    WECHSEL [1]_ introduced start vectors from another language, with word vectors and a
    dictionary.

    Parameters
    ----------
    size : int
        Maximum number of subwords per language. It includes those that are left out and those
        that the encoder already has.
    most : int
        Maximum number of sentence pairs per language, drawn at random, for the translation counts.
    rounds : int
        Number of rounds of expectation maximisation for the translation counts.

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
                raise ConfigError(
                    f"{name} must be at least 1, got {getattr(self, name)}. Use 1 or more."
                )

    def extend(
        self, encoder: TransformerEncoder, pairs: ParallelText, folder: str | Path, *, seed: int = 0
    ) -> TransformerEncoder:
        """Write a copy of an encoder with the new subwords. The original encoder does not change.

        Parameters
        ----------
        encoder : TransformerEncoder
            The encoder to extend.
        pairs : ParallelText
            Sentences of the encoder's language and their translations.
        folder : str or Path
            Folder of the new encoder.
        seed : int
            Random seed for drawing the sentence pairs.

        Raises
        ------
        ConfigError
            If the tokenizer of the encoder uses neither WordPiece nor whole words.
        StorageError
            If the folder cannot be written.
        """
        reader = Pieces.of(encoder)
        extended = reader.extended(pairs, self.size)
        counts = self._counts(reader, extended, pairs, seed)
        means, has_counts = mean_vectors(counts, reader.vectors)
        means_as_cut = reader.as_cut(extended.names[len(reader.names) :])
        new_vectors = np.where(has_counts[:, None], means, means_as_cut)
        target = user_path(folder)
        with new_folder(target) as draft:
            reader.write(extended, _as_long_as(new_vectors, reader.vectors), draft)
        return replace(encoder, name_or_path=target, revision=None, weights=None)

    def _counts(
        self, reader: Pieces, extended: Pieces, pairs: ParallelText, seed: int
    ) -> csr_matrix:
        """Count how often each new subword translates each old one: (n_new, n_old)."""
        n_old, rng = len(reader.names), np.random.default_rng(seed)
        total = csr_matrix((len(extended.names) - n_old, n_old))
        for language in sorted(set(pairs.languages)):
            rows = np.flatnonzero(np.array(pairs.languages) == language)
            sample = pairs.take(rng.permutation(rows)[: self.most])
            counts = translations(
                reader.cut(sample.source),
                extended.cut(sample.target),
                n_words=n_old,
                n_others=len(extended.names),
                rounds=self.rounds,
            )
            total = total + counts[n_old:]
        return total


@dataclass(frozen=True, eq=False)
class Pieces:
    """Subword vocabulary of an encoder, with the tokenizer that cuts texts into subwords.

    Attributes
    ----------
    encoder : TransformerEncoder
        The encoder that the vocabulary belongs to.
    described : dict
        The content of ``tokenizer.json``, without padding and truncation.
    names : list of str
        The subwords, ordered by their ids.
    """

    encoder: TransformerEncoder
    described: dict[str, Any]
    names: list[str]

    @classmethod
    def of(cls, encoder: TransformerEncoder) -> Pieces:
        """Read the subword vocabulary of an encoder.

        Raises
        ------
        ConfigError
            If subwords cannot be added: the tokenizer uses neither WordPiece nor whole words, or
            its ids have gaps or tokens outside of the vocabulary.
        """
        described = json.loads(
            encoder.folder.tokenization.fast_tokenizer.backend_tokenizer.to_str()
        )
        kind = described["model"]["type"]
        if kind not in _EXTENDED:
            raise ConfigError(
                "A new vocabulary needs a WordPiece tokenizer, as in BERT, MiniLM and MPNet, but "
                f"{encoder.folder.name!r} uses {kind}. Train without a new vocabulary."
            )
        vocabulary = described["model"]["vocab"]
        names = sorted(vocabulary, key=vocabulary.get)
        added_ids = [token["id"] for token in described["added_tokens"]]
        if [vocabulary[name] for name in names] != list(range(len(names))) or any(
            token_id >= len(names) for token_id in added_ids
        ):
            raise ConfigError(
                "A new vocabulary needs token ids without gaps, but the tokenizer of "
                f"{encoder.folder.name!r} has gaps or added tokens outside of its vocabulary. "
                "Train without a new vocabulary."
            )
        return cls(encoder, described | {"padding": None, "truncation": None}, names)

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the subword ids of each text."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._told)
        encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def extended(self, pairs: ParallelText, size: int) -> Pieces:
        """Return a copy with new subwords: train at most ``size`` on the texts of each language."""
        names = dict.fromkeys(self.names)
        for language in sorted(set(pairs.languages)):
            texts = sorted({text for _, text, label in pairs.rows() if label == language})
            names |= dict.fromkeys(self._learnt(texts, size))
        return self._reading_as_before(list(names), sorted(set(pairs.source)))

    def _reading_as_before(self, names: list[str], texts: list[str]) -> Pieces:
        """Drop new subwords until texts are tokenized as before."""
        n_old = len(self.names)
        while True:
            pieces = Pieces(self.encoder, self.described, names)
            cut = pieces.cut(texts)
            changed = [i for i, ids in enumerate(cut) if max(ids, default=0) >= n_old]
            if not changed:
                return pieces
            # Without these subwords, shorter new subwords may match in the same texts.
            used = {token_id for i in changed for token_id in cut[i] if token_id >= n_old}
            names = [name for token_id, name in enumerate(names) if token_id not in used]
            texts = [texts[i] for i in changed]

    def _learnt(self, texts: Sequence[str], size: int) -> list[str]:
        tokenizer = self.encoder.folder.tokenizer
        trained = tokenizer.train_new_from_iterator(texts, size, show_progress=False)
        return sorted(trained.get_vocab())  # the order of equally frequent subwords is random

    @property
    def vectors(self) -> FloatArray:
        """Input vectors of the subwords, before the first layer: (n, dim)."""
        table = self._model.get_input_embeddings().weight.detach().cpu().float().numpy()
        return np.asarray(table[: len(self.names)])

    def as_cut(self, names: Sequence[str]) -> FloatArray:
        """Return the mean vector of the old subwords that each new one is cut into: (n, dim)."""
        inside = self.described["model"].get("continuing_subword_prefix", _INSIDE)
        cut = self.cut([name.removeprefix(inside) for name in names])
        lengths = [len(ids) for ids in cut]
        rows = np.repeat(np.arange(len(cut)), lengths)
        columns = np.array([token_id for ids in cut for token_id in ids], np.int64)
        shape = (len(cut), len(self.names))
        counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        return mean_vectors(counts, self.vectors)[0]

    def write(self, extended: Pieces, new_vectors: FloatArray, draft: Path) -> None:
        """Write the encoder with the extended vocabulary and the new vectors (n_new, dim)."""
        import torch

        model = copy.deepcopy(self._model)
        model.resize_token_embeddings(len(extended.names), mean_resizing=False)
        with torch.no_grad():
            embeddings = model.get_input_embeddings()
            embeddings.weight[len(self.names) :] = torch.from_numpy(new_vectors)
        folder = self.encoder.folder
        loaded = LoadedEncoder(folder, model, "float32", "cpu")
        write_encoder(self.encoder.with_weights(loaded), draft)
        folder.tokenizer.save_pretrained(draft)
        (draft / _TOKENIZER).write_text(extended._told, encoding="utf-8")
        vocabulary = draft / "vocab.txt"
        if vocabulary.is_file():
            vocabulary.write_text("\n".join([*extended.names, ""]), encoding="utf-8")

    @property
    def _told(self) -> str:
        token_ids = {name: token_id for token_id, name in enumerate(self.names)}
        model = self.described["model"] | {"vocab": token_ids}
        return json.dumps(self.described | {"model": model}, ensure_ascii=False)

    @property
    def _model(self) -> Any:
        if self.encoder.weights is not None:
            return self.encoder.weights.model
        return read_encoder(self.encoder.folder, "float32", "cpu").model


def _as_long_as(vectors: FloatArray, others: FloatArray) -> FloatArray:
    """Scale vectors to the mean length of ``others``, because averaging makes vectors shorter."""
    mean_length = np.linalg.norm(others, axis=1).mean()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * (mean_length / np.maximum(lengths, 1e-12)), np.float32)

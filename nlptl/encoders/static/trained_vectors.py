"""Word vectors trained on the texts of the user."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest
from nlptl.base.words import lowered, tokens_of
from nlptl.encoders.static.vector_formats import Subwords, WordVectors
from nlptl.encoders.static.vector_store import VectorStore

_METHODS = MappingProxyType({"word2vec": "Word2Vec", "fasttext": "FastText"})


@dataclass(frozen=True)
class OwnVectors(Spec):
    """Settings for training Word2Vec [1]_ or FastText [2]_ on the texts passed to ``fit``.

    Training uses gensim.

    Parameters
    ----------
    method : {"word2vec", "fasttext"}
        FastText builds vectors of unknown words from their character n-grams.
    dimension : int
        Length of each word vector.
    epochs : int
        Number of passes over the texts.
    min_count : int
        Minimum number of occurrences. Rarer words get no vector.
    seed : int
        Random seed. The same seed and texts yield the same vectors, because training uses one
        thread.

    References
    ----------
    .. [1] Mikolov et al., "Distributed Representations of Words and Phrases and their
       Compositionality", NeurIPS 2013.
    .. [2] Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 2017.
    """

    method: str = "word2vec"
    dimension: int = 100
    epochs: int = 10
    min_count: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise ConfigError(
                f"No method is called {self.method!r}. {suggest(self.method, _METHODS)}"
            )

    def learn(self, texts: list[str]) -> VectorStore:
        """Train word vectors on texts.

        Raises
        ------
        InputError
            If no word occurs ``min_count`` times.
        """
        sentences = [[lowered(word) for word in tokens_of(text)] for text in texts]
        model = self._train(sentences)
        vectors = np.array(model.wv.vectors, dtype=np.float32)
        subwords = None
        if self.method == "fasttext":
            grams = np.array(model.wv.vectors_ngrams, dtype=np.float32)
            subwords = Subwords(grams, int(model.wv.min_n), int(model.wv.max_n))
        trained = WordVectors(list(model.wv.index_to_key), vectors, subwords)
        return VectorStore.of_words(trained, name=f"{self.method} trained on {len(texts)} texts")

    def _train(self, sentences: list[list[str]]) -> Any:
        from gensim import models

        make = getattr(models, _METHODS[self.method])
        extra = {"bucket": 50_000} if self.method == "fasttext" else {}
        try:
            return make(
                sentences=sentences,
                vector_size=self.dimension,
                epochs=self.epochs,
                min_count=self.min_count,
                seed=self.seed + 1,
                workers=1,
                sg=1,
                **extra,
            )
        except RuntimeError as problem:
            raise InputError(
                f"Training needs words that occur at least {self.min_count} times, but none of the "
                f"words in the {len(sentences)} texts does. Lower min_count, or pass more texts as "
                "unlabeled=Corpus(texts)."
            ) from problem

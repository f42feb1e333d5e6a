"""Claim: word vectors of two languages that were aligned translate words, and carry a classifier.

    NLPTL_DATA=... python recipes/benchmarks/crosslingual.py [--quick] [--kept FILE]

Word vectors (Word2Vec, 100 numbers, 5 passes) trained here on either side of the parallel text of
shared/data for German, French and Spanish; nothing of SIB-200 or of the test part of a dictionary
is seen. Words of the test part that have a vector in English, and a translation that has one:

- P@1 of WordAlignment (Procrustes, five refinements, CSLS) from the training part of the
  dictionary, and from identical strings alone, against gensim's TranslationMatrix from the same
  pairs at the best of its settings here: vectors as they are, of length 1, or centred; plain or
  globally corrected retrieval.
- SIB-200: a classifier that learnt 701 English texts reads the other language (validation and test
  rows together) through the aligned vectors; beside it the largest class, English character TF-IDF
  read as it stands, and TF-IDF that learnt in the language.

--quick takes German alone.
"""

import sys
import warnings
from functools import cache

import numpy as np
import pandas as pd
import torch
from material import Kept, Report, arguments, folder, read
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from nlptl import StaticEncoder, TextClassifier
from nlptl.encoders.bilingual.alignment import WordAlignment
from nlptl.encoders.bilingual.mapping import Centring
from nlptl.encoders.static.store import VectorStore
from nlptl.encoders.static.training import OwnVectors
from nlptl.evaluation.intervals import paired_interval

LANGUAGES = ("de", "fr", "es")
SOURCES = ("tatoeba_pairs", "bible", "multi30k", "ted_iwslt2017", "opennmt_sample")
VECTORS = OwnVectors("word2vec", dimension=100, epochs=5, min_count=2)


def main() -> int:
    given = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report, kept = Report("crosslingual"), Kept(given.kept)
    for language in LANGUAGES[:1] if given.quick else LANGUAGES:
        words = kept.several(lambda one=language: translated(one), part="words", language=language)
        report.record(part="words", language=language, **words)
        judge_words(language, words, report)
        texts = kept.several(lambda one=language: classified(one), part="sib200", language=language)
        report.record(part="sib200", language=language, **texts)
        report.claim(
            f"{language}, SIB-200: aligned {texts['aligned']:.3f} above the largest class "
            f"{texts['largest class']:.3f} and English TF-IDF {texts['English TF-IDF']:.3f}",
            texts["aligned"] > max(texts["largest class"], texts["English TF-IDF"]),
        )
    return report.finish()


def judge_words(language: str, found: dict, report: Report) -> None:
    """Make the claims about the words of one language."""
    ours, peer, alike = found["aligned"], found["TranslationMatrix"], found["identical strings"]
    gain = f"{found['gain']:+.3f} [{found['gain low']:+.3f}, {found['gain high']:+.3f}]"
    report.claim(
        f"{language}: P@1 {ours:.3f}, at least 1.4 times TranslationMatrix {peer:.3f}, {gain}",
        ours >= 1.4 * peer and found["gain low"] > 0,
    )
    report.claim(
        f"{language}: identical strings alone {alike:.3f}, {alike / ours:.0%} of the dictionary's",
        alike >= 0.7 * ours,
    )


def translated(language: str) -> dict:
    """Give P@1 of every method on the test part of a dictionary."""
    english, other = stores(language)
    table = pd.read_parquet(
        folder("NLPTL_DATA") / "bilingual_dictionaries" / f"en-{language}.parquet"
    )
    learnt, test = (table[table["split"] == s][["source", "target"]] for s in ("train", "test"))
    whole = WordAlignment().learn(english, other, learnt)
    ours, n_words = whole.precision(test)
    alike, _ = WordAlignment(rounds=10).learn(english, other).precision(test)
    plain, _ = WordAlignment(rounds=0).learn(english, other, learnt).precision(test)
    peers = {how: peer(english, other, whole.pairs, test, *how) for how in ways()}
    best = max(peers, key=lambda how: peers[how].mean())
    gain = paired_interval(ours - peers[best])
    return {
        "words": len(ours),
        "of": n_words,
        "pairs": len(whole.pairs),
        "identical pairs": whole.pairs.identical,
        "aligned": float(ours.mean()),
        "not refined": float(plain.mean()),
        "identical strings": float(alike.mean()),
        "TranslationMatrix": float(peers[best].mean()),
        "its settings": " ".join(map(str, best)),
        "its defaults": float(peers["raw", 0].mean()),
        "gain": gain.value,
        "gain low": gain.low,
        "gain high": gain.high,
    }


def ways() -> list[tuple[str, int]]:
    """Give the settings of the peer: how vectors are given, and how words are retrieved."""
    return [(vectors, corrected) for vectors in ("raw", "unit", "centred") for corrected in (0, 1)]


def peer(english, other, pairs, test, vectors: str, corrected: int) -> np.ndarray:
    """Say of each word whether gensim's TranslationMatrix finds a translation."""
    from gensim.models import TranslationMatrix

    given = [keyed(store, vectors) for store in (english, other)]
    told = [
        (english.tokens[i], other.tokens[j])
        for i, j in zip(pairs.source, pairs.target, strict=True)
    ]
    model = TranslationMatrix(*given, word_pairs=told, random_state=0)
    right: dict[str, set[str]] = {}
    for word, translation in test.itertuples(index=False):
        if word in english.row_of and translation in other.row_of:
            right.setdefault(word, set()).add(translation)
    said = model.translate(list(right), topn=1, gc=corrected, sample_num=5_000)
    return np.array([said[word][0] in right[word] for word in right], np.int64)


def keyed(store: VectorStore, vectors: str):
    """Give a store to gensim, its vectors made ready in one of three ways."""
    ready = {"raw": lambda v: v, "unit": normalize, "centred": lambda v: Centring.of(v)(v)}[vectors]
    found = store.keyed_vectors()
    found.vectors = ready(np.asarray(store.vectors)).astype(np.float32)
    return found


def classified(language: str) -> dict:
    """Give the accuracy on SIB-200 of a classifier that learnt English texts."""
    english, other = (StaticEncoder(store, cache=None) for store in stores(language))
    table = pd.read_parquet(
        folder("NLPTL_DATA") / "bilingual_dictionaries" / f"en-{language}.parquet"
    )
    learnt = table[table["split"] == "train"][["target", "source"]]
    there = other.align(english, [tuple(pair) for pair in learnt.to_numpy()])
    seen, own = sib("train", "en"), sib("train", language)
    asked = pd.concat([sib("validation", language), sib("test", language)])
    texts, labels = asked["text"].tolist(), asked["label_text"].tolist()
    clf = TextClassifier(english).fit(seen["text"].tolist(), seen["label_text"].tolist())
    home = pd.concat([sib("validation", "en"), sib("test", "en")])
    lexical = {
        name: counting().fit(rows["text"].tolist(), rows["label_text"].tolist())
        for name, rows in (("English TF-IDF", seen), ("TF-IDF of the language", own))
    }
    largest = seen["label_text"].mode()[0]
    return {
        "aligned": clf.with_encoder(there).score(texts, labels),
        "English": clf.score(home["text"].tolist(), home["label_text"].tolist()),
        "largest class": float(np.mean([label == largest for label in labels])),
        **{name: model.score(texts, labels) for name, model in lexical.items()},
    }


def counting():
    """Give logistic regression on runs of characters."""
    counts = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(counts, LogisticRegression(C=10, max_iter=1000))


def sib(split: str, language: str) -> pd.DataFrame:
    """Read the rows of one language."""
    rows = read("sib200", split)
    return rows[rows["language"] == language]


@cache
def stores(language: str) -> tuple[VectorStore, VectorStore]:
    """Train word vectors on either side of the parallel text."""
    sides: tuple[set[str], set[str]] = set(), set()
    for name in SOURCES:
        path = folder("NLPTL_DATA") / "parallel" / name / f"en-{language}.parquet"
        if path.is_file():
            table = pd.read_parquet(path)
            for side, column in zip(sides, ("source", "target"), strict=True):
                side.update(table[column])
    english, other = (VECTORS.learn(sorted(side)) for side in sides)
    return english, other


if __name__ == "__main__":
    sys.exit(main())

"""Claim: frozen features with the default head beat a logistic regression on sentence vectors.

    NLPTL_DATA=... python recipes/benchmarks/encoding/frozen.py [--quick]

1,000 labels drawn at random, 1,000 test rows, the encoder all-MiniLM-L6-v2. The peer's vectors
are those of sentence-transformers; its heads are scikit-learn's LogisticRegression(C=1) and
LogisticRegressionCV over ten strengths.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from threadpoolctl import threadpool_limits

from nlptl import (
    BlendHead,
    DiscriminantHead,
    Frozen,
    LogisticHead,
    MLPHead,
    PrototypeHead,
    TextClassifier,
)
from nlptl.data.rows import as_rows
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import SIX, Report, arguments, drawn, test_rows, training_pool

LABELS = 1000
OTHERS = {
    "logistic": {"head": LogisticHead()},
    "top layer": {"transfer": Frozen("top")},
    "all layers": {"transfer": Frozen("all")},
    "prototypes": {"head": PrototypeHead()},
    "LDA": {"head": DiscriminantHead()},
    "MLP": {"head": MLPHead()},
}


def main() -> int:
    settings = arguments(__doc__)
    warnings.filterwarnings("ignore")
    seeds = range(5 if settings.quick else 10)
    report = Report("frozen")
    peer = SentenceTransformer(str(find_encoder(None).path), device="cpu")
    runs: dict[tuple[str, int], dict[str, float]] = {}
    for name in SIX:
        pool, test = training_pool(name), test_rows(name)
        vectors = [
            peer.encode(rows["text"].tolist(), show_progress_bar=False) for rows in (pool, test)
        ]
        for seed in seeds:
            picked = drawn(len(pool), LABELS, seed)
            split = pool.iloc[picked], test, vectors[0][picked], vectors[1]
            runs[name, seed] = one(*split, others=not settings.quick)
            report.record(set=name, seed=seed, **runs[name, seed])
    methods = [m for m in runs["sst2", 0] if not m.endswith("seconds")]
    rows = [
        {
            "set": name,
            **{m: float(np.mean([runs[name, seed][m] for seed in seeds])) for m in methods},
            "fit s": float(np.median([runs[name, seed]["seconds"] for seed in seeds])),
        }
        for name in SIX
    ]
    rows.append({"set": "mean", **{m: float(np.mean([r[m] for r in rows])) for m in methods}})
    slowest = max(row["fit s"] for row in rows[:-1])
    rows[-1]["fit s"] = slowest
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} seeds", rows)
    claims(report, runs, rows, seeds)
    return report.finish()


def claims(report: Report, runs: dict, rows: list[dict], seeds: range) -> None:
    mean = rows[-1]
    gains = {
        peer: {
            name: paired_interval(
                np.array([runs[name, s]["nlptl"] - runs[name, s][peer] for s in seeds])
            )
            for name in SIX
        }
        for peer in ("C=1", "CV", "CV same vectors")
    }
    for peer, by_set in gains.items():
        worst = min(by_set, key=lambda name: by_set[name].high)
        gain, interval = mean["nlptl"] - mean[peer], by_set[worst]
        report.record(
            against=peer, gain=gain, worst_set=worst, low=interval.low, high=interval.high
        )
        least = 0.015 if peer == "C=1" else 0.0
        report.claim(f"mean gain over {peer} at least {least}: {gain:+.4f}", gain >= least)
        report.claim(
            f"against {peer} no set lies wholly below 0; worst {worst} "
            f"[{interval.low:+.4f}, {interval.high:+.4f}]",
            interval.high >= 0,
        )
    report.claim(f"slowest set fits in {mean['fit s']:.1f} s (cached, median)", mean["fit s"] < 10)


def one(train, test, seen, asked, *, others: bool) -> dict[str, float]:
    texts, labels = train["text"].tolist(), train["label_text"].tolist()
    test_texts, truth = test["text"].tolist(), test["label_text"].tolist()
    TextClassifier().fit(texts, labels)  # fills the cache
    started = time.perf_counter()
    classifier = TextClassifier().fit(texts, labels)
    seconds = time.perf_counter() - started
    ours = [classifier.fitted_.features.transform(as_rows(some)) for some in (texts, test_texts)]
    with threadpool_limits(1, "blas"):
        plain = LogisticRegression(C=1, max_iter=2000).fit(seen, labels)
        chosen = LogisticRegressionCV(Cs=10, max_iter=2000).fit(seen, labels)
        same = LogisticRegressionCV(Cs=10, max_iter=2000).fit(ours[0], labels)
        head = BlendHead().fit(seen, labels)
    figures = {
        "nlptl": classifier.score(test_texts, truth),
        "C=1": plain.score(asked, truth),
        "CV": chosen.score(asked, truth),
        "CV same vectors": same.score(ours[1], truth),
        "nlptl head on ST": head.score(asked, truth),
    }
    if others:
        for other, options in OTHERS.items():
            fitted = TextClassifier(**options).fit(texts, labels)
            figures[other] = fitted.score(test_texts, truth)
    return {**figures, "seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())

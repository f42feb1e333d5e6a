"""Claim: word vectors distilled by nlptl are as accurate as model2vec's, and as fast.

    NLPTL_DATA=... NLPTL_MODELS=... python recipes/benchmarks/encoding/static.py [--quick]

Both are distilled from all-MiniLM-L6-v2; both feed the same head (nlptl's default), 1,000 labels
or all where fewer, 1,000 test rows. model2vec is taken at 256 and at 384 dimensions, and the
better of the two counts. Published word vectors and TF-IDF stand on the same table.
"""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from nlptl import BlendHead, LogisticHead, StaticEncoder, TfidfEncoder
from nlptl.encoders import Distilled
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.single_tokens import TokenPacking
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import (
    SIX,
    Report,
    alternate,
    arguments,
    drawn,
    folder,
    median_ratio,
    test_rows,
    training_pool,
)

LABELS = 1000
FILES = {
    "GoogleNews 8k": "word2vec-googlenews-300d-8k/word2vec-googlenews-300d-8k.vec.gz",
    "GloVe 50d 8k": "glove-6b-50d-8k/glove-6b-50d-8k.vec.gz",
    "GloVe 100d 3k": "glove-6b-100d-top2717/glove-6b-100d-top2717.vec.gz",
    "Twitter 25d 12k": "glove-twitter-27b-25d-12k/glove-twitter-27b-25d-12k.vec.gz",
}


def main() -> int:
    options = arguments(__doc__)
    from model2vec.distill import distill  # a peer: --help works without it

    torch.set_num_threads(2)
    report = Report("static")
    source = str(find_encoder(None).path)
    distilling(report)
    peers = {f"model2vec {d}": distill(source, pca_dims=d) for d in (256, 384)}
    ours = StaticEncoder(Distilled(), cache=None)
    encode = {name: peer.encode for name, peer in peers.items()}
    encode["nlptl"] = ours.transform
    encode["nlptl last layer"] = StaticEncoder(Distilled(layers=(-1,))).transform
    files = {name: StaticEncoder(folder("NLPTL_MODELS") / path) for name, path in FILES.items()}
    encode |= {name: encoder.transform for name, encoder in files.items()}
    seeds = range(3)
    runs = {name: one_set(name, encode, seeds) for name in SIX}
    for name in SIX:
        for seed in seeds:
            report.record(set=name, seed=seed, **{m: v[seed] for m, v in runs[name].items()})
    methods = list(runs[SIX[0]])
    rows = [{"set": n, **{m: float(np.mean(runs[n][m])) for m in methods}} for n in SIX]
    mean = {"set": "mean", **{m: float(np.mean([row[m] for row in rows])) for m in methods}}
    report.table(f"Accuracy with {LABELS} labels, {len(seeds)} seeds", [*rows, mean])
    covered(report, files)
    best = max(peers, key=mean.__getitem__)
    gains = np.array([[runs[n]["nlptl"][s] - runs[n][best][s] for s in seeds] for n in SIX])
    gain = paired_interval(gains.mean(axis=0))
    report.record(against=best, gain=gain.value, low=gain.low, high=gain.high)
    report.claim(f"mean accuracy not below {best}: {gain.value:+.4f}", gain.value >= 0)
    speed(report, ours, peers["model2vec 256"], 3 if options.quick else 5)
    return report.finish()


def distilling(report: Report) -> None:
    """Measure the processor seconds of the distillation, also with one sequence per token."""
    seconds = {}
    for way in ("many tokens per sequence", "one token per sequence"):
        no_packing = patch.object(TokenPacking, "of", return_value=None)
        started = time.process_time()
        with no_packing if way.startswith("one") else nullcontext():
            Distilled().make()
        seconds[way] = time.process_time() - started
    report.record(distilled_in_processor_seconds=seconds)
    share = seconds["many tokens per sequence"] / seconds["one token per sequence"]
    report.claim(f"{share:.2f} of the processor time of one token per sequence", share <= 0.5)


def one_set(name: str, encode: dict, seeds: range) -> dict[str, list[float]]:
    pool, test = training_pool(name), test_rows(name)
    labels, truth = pool["label"].to_numpy(), test["label"].to_numpy()
    results: dict[str, list[float]] = {}
    for method, transform in encode.items():
        seen, asked = transform(pool["text"].tolist()), transform(test["text"].tolist())
        for seed in seeds:
            rows = drawn(len(pool), LABELS, seed)
            head = BlendHead().fit(seen[rows], labels[rows])
            results.setdefault(method, []).append(float((head.predict(asked) == truth).mean()))
    for seed in seeds:
        rows = drawn(len(pool), LABELS, seed)
        counts = TfidfEncoder().fit(pool["text"].iloc[rows].tolist())
        head = LogisticHead().fit(counts.transform(pool["text"].iloc[rows]), labels[rows])
        right = head.predict(counts.transform(test["text"])) == truth
        results.setdefault("TF-IDF", []).append(float(right.mean()))
    return results


def covered(report: Report, files: dict[str, StaticEncoder]) -> None:
    rows = []
    for name in SIX:
        texts = test_rows(name)["text"].tolist()
        row = {"set": name}
        for label, encoder in files.items():
            results = encoder.coverage(texts)
            row[label] = f"{results.tokens:.1%} / {results.types:.1%}"
            report.record(set=name, vectors=label, tokens=results.tokens, types=results.types)
        rows.append(row)
    report.table("Coverage of test texts: tokens / types known", rows)


def speed(report: Report, ours: StaticEncoder, peer, repeats: int) -> None:
    rows, ratios = [], []
    for name in SIX:
        texts = training_pool(name)["text"].tolist()
        runs = {
            "model2vec": lambda t=texts: peer.encode(t),
            "nlptl": lambda t=texts: ours.transform(t),
        }
        seconds = alternate(runs, repeats)
        ratios.append(median_ratio(seconds["model2vec"], seconds["nlptl"]))
        rate = {m: len(texts) / float(np.median(s)) for m, s in seconds.items()}
        rows.append({"set": name, **rate, "ratio": ratios[-1]})
        report.record(**rows[-1])
    report.table("Texts per second", rows)
    overall = float(np.exp(np.mean(np.log(ratios))))
    report.claim(f"throughput at least equal: {overall:.2f}x (geometric mean)", overall >= 1)


if __name__ == "__main__":
    sys.exit(main())

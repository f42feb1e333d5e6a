"""Claim: encoding is faster than sentence-transformers, and what was seen is not encoded again.

NLPTL_DATA=... python recipes/benchmarks/encoding/encode.py [--quick]
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from nlptl import TransformerEncoder
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.precision import has_bfloat16

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, alternate, arguments, median_ratio, read

SHORT = {"float32": "fp32", "bfloat16": "bf16", "auto": "default"}
SIZES = {"banking77": 2000, "ag_news": 800, "newsgroups20": 200}


def main() -> int:
    options = arguments(__doc__)
    torch.set_num_threads(2)
    report = Report("encode")
    folder = find_encoder(None)
    peers = {
        dtype: SentenceTransformer(
            str(folder.path), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)}
        )
        for dtype in ("float32", "bfloat16")
    }
    rows = [
        compare(name, n // 2 if options.quick else n, peers, 3 if options.quick else 5)
        for name, n in SIZES.items()
    ]
    for row in rows:
        report.record(**row)
    report.table("Texts per second on two threads, cut at 256 tokens", rows)
    for row in rows:
        name, least = row["set"], 1.1 if row["set"] == "banking77" else 1.0
        report.claim(f"{name}: fp32 at least {least}x", row["fp32/ST"] >= least)
        if has_bfloat16("cpu"):
            report.claim(f"{name}: default 1.7x fp32", row["default/ST"] >= 1.7)
            report.claim(f"{name}: default 1.05x bf16 weights", row["default/ST16"] >= 1.05)
            agrees = row["cos"] >= 0.9999 and row["cos p1"] >= 0.9995
            report.claim(f"{name}: default agrees with fp32", agrees)
    seen_before(report)
    return report.finish()


def compare(name: str, n: int, peers: dict[str, SentenceTransformer], repeats: int) -> dict:
    texts = read(name, "test")["text"].sample(n, random_state=0).tolist()
    ours = {
        dtype: TransformerEncoder(cache=None, dtype=dtype, long_texts="cut")
        for dtype in ("float32", "auto")
    }
    runs = {
        **{
            f"ST {SHORT[dtype]}": lambda peer=peer: peer.encode(texts, show_progress_bar=False)
            for dtype, peer in peers.items()
        },
        **{f"nlptl {SHORT[dtype]}": lambda e=e: e.transform(texts) for dtype, e in ours.items()},
    }
    seconds = alternate(runs, repeats)
    exact, default = ours["float32"].transform(texts), ours["auto"].transform(texts)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(default, axis=1)
    cosines = (exact * default).sum(axis=1) / lengths
    counts = ours["auto"].reader.count_tokens(texts).clip(max=256)
    rate = {run: n / float(np.median(times)) for run, times in seconds.items()}
    return {
        "set": name,
        "texts": n,
        "tokens": float(counts.mean()),
        **{run: rate[run] for run in runs},
        "fp32/ST": median_ratio(seconds["ST fp32"], seconds["nlptl fp32"]),
        "default/ST": median_ratio(seconds["ST fp32"], seconds["nlptl default"]),
        "default/ST16": median_ratio(seconds["ST bf16"], seconds["nlptl default"]),
        "cos": float(cosines.mean()),
        "cos p1": float(np.percentile(cosines, 1)),
        "limit fp32": rate["nlptl fp32"] / limit(counts, torch.float32),
        "limit default": rate["nlptl default"]
        / limit(counts, torch.bfloat16 if has_bfloat16("cpu") else torch.float32),
    }


def limit(counts: np.ndarray, dtype: torch.dtype) -> float:
    """Texts per second if the matrix products of the six layers were all there is to do."""
    rows, width, wide = 2048, 384, 1536
    products = [(width, width)] * 4 + [(width, wide), (wide, width)]
    seconds = 0.0
    for inner, outer in products:
        a, b = torch.randn(rows, inner).to(dtype), torch.randn(inner, outer).to(dtype)
        for _ in range(3):
            a @ b
        times = []
        for _ in range(9):
            started = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - started)
        seconds += float(np.median(times))
    return rows / (6 * seconds) / float(counts.mean())


def seen_before(report: Report) -> None:
    texts = read("banking77", "train")["text"].drop_duplicates().tolist()[:10_000]
    with tempfile.TemporaryDirectory() as cache:
        encoder = TransformerEncoder(cache=cache)
        started = time.perf_counter()
        first = encoder.transform(texts)
        took_first = time.perf_counter() - started
        started = time.perf_counter()
        again = encoder.transform(texts)
        took_again = time.perf_counter() - started
        shuffled = np.random.default_rng(0).permutation(len(texts))
        other = encoder.transform([texts[i] for i in shuffled])
        mixed = texts[:50] + [f"{text} please" for text in texts[:50]] + texts[50:100]
        partly = encoder.transform(mixed)
    fresh = TransformerEncoder(cache=None).transform(mixed)
    closeness = (partly * fresh).sum(axis=1) / np.linalg.norm(fresh, axis=1)
    report.record(
        texts=len(texts),
        first_seconds=took_first,
        again_seconds=took_again,
        least_cosine_of_partial_hits=float((closeness / np.linalg.norm(partly, axis=1)).min()),
    )
    report.claim("10,000 texts seen before take under 1 s", took_again < 1.0)
    report.claim("they come back equal", np.array_equal(first, again))
    report.claim("in another order too", np.array_equal(other, first[shuffled]))
    report.claim("partial hits agree with a fresh run", closeness.min() > 0.999)


if __name__ == "__main__":
    sys.exit(main())

"""Claim: encoding is faster than sentence-transformers, and what was seen is not encoded again.

    NLPTL_DATA=... python recipes/benchmarks/encoding/encode.py [--quick] [--peer PYTHON]

The default chooses its backend before the timing starts. Weights in bfloat16 are measured only if
the processor has such instructions. --peer is the Python of an environment with the ONNX backend of
sentence-transformers (see onnx_peer.py), which is measured in turn with the others.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from nlptl import TransformerEncoder
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.onnx.backend import beginning_long_run
from nlptl.encoders.contextual.precision import has_bfloat16

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from ledger import machine_kind
from material import Report, alternate, arguments, median_ratio, read

SIZES = {"banking77": 2000, "ag_news": 800, "newsgroups20": 200}
LEAST_DEFAULT = {"banking77": 1.6, "ag_news": 1.4, "newsgroups20": 1.4}
LEAST_INT8 = 1.8
OF_LIMIT = 0.95
THREADS = 2


def main() -> int:
    options = arguments(__doc__, other_python=True)
    torch.set_num_threads(THREADS)
    report = Report("encode")
    folder = find_encoder(None)
    peers = {
        f"ST {name}": SentenceTransformer(
            str(folder.path), device="cpu", model_kwargs={"dtype": dtype}
        ).encode
        for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items()
        if name == "fp32" or has_bfloat16("cpu")
    }
    ours = {
        "fp32": TransformerEncoder(backend="torch", precision="float32", **SAME),
        "default": TransformerEncoder(**SAME),
        "int8": TransformerEncoder(precision="int8", **SAME),
    }
    with beginning_long_run():
        for encoder in ours.values():
            encoder.transform(["Choose the backend."])
    graph = OnnxPeer(options.peer, str(folder.path)) if options.peer else None
    repeats = 3 if options.quick else 5
    rows = [
        compare(name, n // 2 if options.quick else n, (peers, graph, ours), repeats)
        for name, n in SIZES.items()
    ]
    for row in rows:
        report.record(machine=machine_kind(), **row)
    report.table(f"Texts per second on {THREADS} threads, cut at 256 tokens", rows)
    for row in rows:
        claims(report, row)
    if not options.quick:
        seen_before(report)
    return report.finish()


SAME = {"cache": None, "long_texts": "cut"}


def claims(report: Report, row: dict) -> None:
    name = row["set"]
    least = LEAST_DEFAULT[name]
    reaches = row["default/ST"] >= least or row["limit default"] >= OF_LIMIT
    sentence = f"at least {least}x, or {OF_LIMIT:.0%} of the limit of matrix products"
    report.claim(f"{name}: default {sentence}", reaches)
    report.claim(f"{name}: int8 at least {LEAST_INT8}x", row["int8/ST"] >= LEAST_INT8)
    agrees = row["cos"] >= 0.9999 and row["cos p1"] >= 0.9995
    report.claim(f"{name}: default agrees with fp32", agrees)
    if "default/ST onnx" in row:
        report.claim(f"{name}: default 1.1x the ONNX peer", row["default/ST onnx"] >= 1.1)
    if has_bfloat16("cpu"):
        report.claim(f"{name}: default 1.05x bf16 weights", row["default/ST bf16"] >= 1.05)


class OnnxPeer:
    """The process with the ONNX backend of sentence-transformers."""

    def __init__(self, python: str, folder: str) -> None:
        script = Path(__file__).with_name("onnx_peer.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([python, str(script)], **pipes)
        self.ask({"folder": folder, "threads": THREADS})

    def ask(self, message: object) -> object:
        """Send a message and return the answer."""
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("onnx_peer "):
                return json.loads(line.removeprefix("onnx_peer "))
        raise RuntimeError("The peer ended. Run onnx_peer.py by hand to see why.")


def compare(name: str, n: int, parts: tuple, repeats: int) -> dict:
    peers, graph, ours = parts
    texts = read(name, "test")["text"].sample(n, random_state=0).tolist()
    runs: dict[str, Callable[[], object]] = {
        peer: lambda encode=encode: encode(texts, show_progress_bar=False)
        for peer, encode in peers.items()
    }
    if graph is not None:
        graph.ask(texts)
        runs["ST onnx"] = lambda: graph.ask(0)
    runs |= {f"nlptl {kind}": lambda e=e: e.transform(texts) for kind, e in ours.items()}
    seconds = alternate(runs, repeats)
    exact, default = (ours[kind].transform(texts) for kind in ("fp32", "default"))
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(default, axis=1)
    cosines = (exact * default).sum(axis=1) / lengths
    counts = ours["fp32"].reader.count_tokens(texts).clip(max=256)
    rate = {run: n / float(np.median(times)) for run, times in seconds.items()}
    number = torch.bfloat16 if has_bfloat16("cpu") else torch.float32
    others = [peer for peer in seconds if peer.startswith("ST ") and peer != "ST fp32"]
    return {
        "set": name,
        "texts": n,
        "tokens": float(counts.mean()),
        **rate,
        **{
            f"{kind}/ST": median_ratio(seconds["ST fp32"], seconds[f"nlptl {kind}"])
            for kind in ours
        },
        **{f"default/{o}": median_ratio(seconds[o], seconds["nlptl default"]) for o in others},
        "cos": float(cosines.mean()),
        "cos p1": float(np.percentile(cosines, 1)),
        "limit fp32": rate["nlptl fp32"] / limit(counts, torch.float32),
        "limit default": rate["nlptl default"] / limit(counts, number),
    }


def limit(counts: np.ndarray, dtype: torch.dtype) -> float:
    """Texts per second if the matrix products of the six layers were all there is to do.

    The shortest of many times counts, so that other work on the machine does not lower the limit.
    """
    rows, width, wide = 2048, 384, 1536
    products = [(width, width)] * 4 + [(width, wide), (wide, width)]
    seconds = 0.0
    for inner, outer in products:
        a, b = torch.randn(rows, inner).to(dtype), torch.randn(inner, outer).to(dtype)
        for _ in range(3):
            a @ b
        times = []
        for _ in range(40):
            started = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - started)
        seconds += min(times)
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

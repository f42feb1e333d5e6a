"""Claim: 200 clients at a time each get their own answers, soon, and faster than one by one.

    NLPTL_DATA=... python recipes/benchmarks/serving/serve.py [--quick]

`nlptl serve` in a process of its own answers with a classifier of banking77 on frozen
all-MiniLM-L6-v2, in float32: with bfloat16 weights a probability moves by up to 0.01 with the
texts that are read beside it. What it should say of each of 300 test texts is computed
beforehand, one text at a time. One client asks one text after the other; then 200 clients on kept
connections, each one text a time, for 60 seconds (--quick: 10). The clients share the processor
with the service.
"""

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nlptl import TextClassifier, TransformerEncoder
from nlptl.serving.answers import answers

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read, test_rows

CLIENTS, LABELS, TEXTS = 200, 1000, 300
CLOSE, SOON, FASTER = 1e-3, 2.0, 1.5
"""How near probabilities are (sums differ with the batch), seconds, and how much faster."""

HEAD = (
    "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: "
)


@dataclass
class Seen:
    """Answers that the clients received."""

    seconds: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0

    def note(self, status: int, record: dict, right: dict) -> None:
        if status != 200 or len(record["predictions"]) != 1:
            self.errors += 1
            return
        said = record["predictions"][0]
        pairs = zip(said["probabilities"].values(), right["probabilities"].values(), strict=True)
        self.apart.append(max(abs(a - b) for a, b in pairs))
        self.wrong += said["label"] != right["label"] or self.apart[-1] > CLOSE

    def figures(self, took: float) -> dict[str, float]:
        p50, p95, p99 = np.percentile(self.seconds, [50, 95, 99])
        return {
            "texts": len(self.seconds),
            "texts per second": len(self.seconds) / took,
            "errors": self.errors,
            "wrong": self.wrong,
            "furthest apart": max(self.apart, default=1.0),
            "p50 s": float(p50),
            "p95 s": float(p95),
            "p99 s": float(p99),
        }


def main() -> int:
    options = arguments(__doc__)
    report = Report("serve")
    train, test = read("banking77", "train"), test_rows("banking77", TEXTS)
    picked = train.iloc[drawn(len(train), LABELS, 0)]
    model = TextClassifier(TransformerEncoder(precision="float32"))
    model.fit(picked["text"].tolist(), picked["label_text"].tolist())
    reference = {text: answers(model, [text])[0] for text in test["text"]}
    with tempfile.TemporaryDirectory() as room:
        folder = model.save(Path(room) / "banking77")
        code, rows = served(folder, reference, seconds=10 if options.quick else 60)
    for name, figures in rows.items():
        report.record(clients=name, **figures)
    report.table("banking77, one text a request", [{"clients": n, **f} for n, f in rows.items()])
    alone, together = rows["1"], rows[str(CLIENTS)]
    ratio = together["texts per second"] / alone["texts per second"]
    failed = sum(row["errors"] for row in rows.values())
    wrong = sum(row["wrong"] for row in rows.values())
    report.claim(f"{failed} requests without an answer", failed == 0)
    report.claim(f"{wrong} answers of another text, or more than {CLOSE} off", wrong == 0)
    report.claim(f"p95 {together['p95 s']:.2f} s, below {SOON:g}", together["p95 s"] < SOON)
    report.claim(f"{ratio:.2f} times the texts per second of one by one", ratio >= FASTER)
    report.claim(f"SIGTERM ends it with exit code {code}", code == 0)
    return report.finish()


def served(folder: Path, reference: dict, *, seconds: float) -> tuple[int, dict]:
    """Start the service, ask it both ways, end it."""
    command = [sys.executable, "-m", "nlptl", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(re.search(r":(\d+) ", process.stdout.readline())[1])
            rows = {}
            for clients, long in ((1, 2), (1, seconds / 2), (CLIENTS, seconds)):
                rows[str(clients)] = asyncio.run(asked(port, reference, clients, long))
            process.send_signal(signal.SIGTERM)
            return process.wait(60), rows
        finally:
            process.kill()


async def asked(port: int, reference: dict, clients: int, seconds: float) -> dict[str, float]:
    """Let clients ask for some seconds; requests that are out then are waited for."""
    seen, began = Seen(), time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(client(port, reference, until, seen, seed) for seed in range(clients)))
    return seen.figures(time.perf_counter() - began)


async def client(port: int, reference: dict, until: float, seen: Seen, seed: int) -> None:
    texts, chance = list(reference), random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        text = chance.choice(texts)
        body = json.dumps({"text": text}).encode()
        writer.write(f"{HEAD}{len(body)}\r\n\r\n".encode() + body)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head)[1])
            record = json.loads(await reader.readexactly(length))
        except (OSError, EOFError):
            seen.errors += 1
            break
        seen.seconds.append(time.perf_counter() - began)
        seen.note(int(head.split()[1]), record, reference[text])
    writer.close()


if __name__ == "__main__":
    sys.exit(main())

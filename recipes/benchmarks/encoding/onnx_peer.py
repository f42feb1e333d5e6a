"""Encode texts with the ONNX backend of sentence-transformers, for encode.py.

    python recipes/benchmarks/encoding/onnx_peer.py

This runs in a virtual environment of its own, because the backend needs other versions than nlptl:
pip install torch==2.13.0 'sentence-transformers[onnx]'. The first line of the input is JSON: the
folder of the encoder and the number of threads. Each further line is a list of texts, or a number
to repeat the last one. The answer is the seconds that encoding took.
"""

import argparse
import json
import sys
import time

from sentence_transformers import SentenceTransformer


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    setup = json.loads(sys.stdin.readline())
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup["threads"]
    model = SentenceTransformer(
        setup["folder"],
        backend="onnx",
        model_kwargs={"provider": "CPUExecutionProvider", "session_options": options},
    )
    texts: list[str] = []
    answer("ready")
    for line in sys.stdin:
        message = json.loads(line)
        texts = message if isinstance(message, list) else texts
        started = time.perf_counter()
        model.encode(texts, show_progress_bar=False)
        answer(time.perf_counter() - started)


def answer(value: object) -> None:
    sys.stdout.write(f"onnx_peer {json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

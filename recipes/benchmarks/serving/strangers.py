"""Claim: published models are read by those without nlptl, who get the same answers.

    NLPTL_DATA=... python recipes/benchmarks/serving/strangers.py [--quick] [--python FILE]

A second environment is made that holds the tested versions of torch, transformers, peft and
sentence-transformers (.ci/constraints.txt), and not nlptl; --python names one that is there. Four
models of trec (500 rows; --quick 100) on all-MiniLM-L6-v2 in float32 are published on a Hub on this
machine (that of the tests): fully tuned and LoRA merged for transformers, an adapter for peft, and
a frozen encoder for sentence-transformers. In the second environment the Python of each card is
run as it stands; then 200 test texts are answered in the way that the card shows.

claims: the same labels, and probabilities within 1e-5; every snippet runs. A fifth model is
published as nlptl saves it: its card is what the Hub's own reader takes (head, figures), and its
three snippets run where nlptl is.
"""

import argparse
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
import warnings
from pathlib import Path

import numpy as np

from nlptl import Frozen, FullFineTune, LoRA, TextClassifier, TrainingConfig, TransformerEncoder
from nlptl.encoders import Pooling

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, read, test_rows

ROOT = Path(__file__).parents[3]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
STOCK = Pooling(tokens="stock", normalize=False)
NEEDED = ["torch", "transformers", "peft", "sentence-transformers"]
CLOSE = 1e-5
ASKS = {
    "transformers": """
from transformers import pipeline
found = pipeline("text-classification", model=repo, top_k=None, device="cpu")(texts)
answers = [{one["label"]: one["score"] for one in row} for row in found]
""",
    "peft": """
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
config = AutoConfig.from_pretrained(repo)
name = "sentence-transformers/all-MiniLM-L6-v2"
base = AutoModelForSequenceClassification.from_pretrained(name, config=config)
model = PeftModel.from_pretrained(base, repo).eval()
tokenizer = AutoTokenizer.from_pretrained(repo)
names, answers = model.config.id2label, []
with torch.inference_mode():
    for text in texts:
        row = model(**tokenizer(text, return_tensors="pt", truncation=True)).logits.softmax(-1)[0]
        answers.append({names[i]: float(x) for i, x in enumerate(row)})
""",
    "sentence-transformers": """
import numpy as np
from huggingface_hub import hf_hub_download
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
encoder = SentenceTransformer(repo, device="cpu")
head = load_file(hf_hub_download(repo, "nlptl_head.safetensors"))
names = json.load(open(hf_hub_download(repo, "nlptl_head.json")))["labels"]
logits = encoder.encode(texts) @ head["weight"].T + head["bias"]
shares = np.exp(logits - logits.max(axis=1, keepdims=True))
shares /= shares.sum(axis=1, keepdims=True)
answers = [dict(zip(names, map(float, row))) for row in shares]
""",
}
"""How 200 texts are answered: the way of the card, with the probability of every label."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a run of at most ten minutes")
    parser.add_argument("--python", metavar="FILE", help="of an environment without nlptl")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    report = Report("strangers")
    train = read("trec", "train").sample(100 if options.quick else 500, random_state=0)
    test = test_rows("trec")
    with tempfile.TemporaryDirectory() as place, loophub().running() as hub:
        python = options.python or environment(Path(place) / "stranger")
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "PYTHON"))}
        baseline = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": f"{place}/home"}
        around = clean | baseline | {"HF_TOKEN": "hf_loop"}
        os.environ.update({"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_loop"})
        point_at(hub.url, place)
        publish_base(hub)
        for name, (model, format_) in models(train).items():
            repo = f"user/{name}"
            rows = test["text"].tolist(), test["label_text"].tolist()
            about = {"dataset": "trec", "languages": ["en"]}
            model.push_to_hub(repo, test=rows, about=about, format=format_)
            card = hub.files(repo)["README.md"].decode()
            if format_ == "nlptl":
                check_card(card, model, rows, report)
                at_home(card, around | {"PYTHONPATH": str(ROOT)}, report)
            else:
                among_strangers(repo, card, format_, model, (python, around), report)
    return report.finish()


def models(train) -> dict:
    """Fit a model of each kind."""
    texts, labels = train["text"].tolist(), train["label_text"].tolist()
    short = TrainingConfig(epochs=3, quiet=True)
    stock = TransformerEncoder(pooling=STOCK, precision="float32", cache=None)
    sentences = TransformerEncoder(precision="float32", cache=None)
    kinds = {
        "full": (stock, FullFineTune(), "transformers"),
        "merged": (stock, LoRA(), "transformers"),
        "adapter": (stock, LoRA(merge=False), "peft"),
        "frozen": (sentences, Frozen("top"), "sentence-transformers"),
        "questions": (sentences, LoRA(merge=False), "nlptl"),
    }
    collected = {}
    for name, (encoder, transfer, format_) in kinds.items():
        model = TextClassifier(encoder, transfer=transfer, training=short)
        collected[name] = model.fit(texts, labels), format_
    return collected


def among_strangers(repo, card, format_, model, where, report) -> None:
    """Run the snippets of a card without nlptl, and compare 200 answers."""
    python, around = where
    shown = snippets(card, "python")
    ran = [asked([python, "-c", code], around) is not None for code in shown]
    report.claim(f"{repo}: {len(shown)} snippets of its card run", all(ran) and shown)
    texts = test_rows("trec")["text"].tolist()[:200]
    code = f"import json, sys\nrepo, texts = {repo!r}, json.load(sys.stdin)\n"
    code += ASKS[format_] + "\njson.dump(answers, sys.stdout)"
    said = asked([python, "-c", code], around, json.dumps(texts))
    if said is None:
        sys.exit(f"{repo} was not read")
    names = [str(label) for label in model.classes_.tolist()]
    collected = np.array([[row[name] for name in names] for row in json.loads(said)])
    expected = model.predict_proba(texts)
    apart = float(np.abs(collected - expected).max())
    same = float((collected.argmax(axis=1) == expected.argmax(axis=1)).mean())
    report.record(model=repo, format=format_, apart=apart, same_labels=same)
    holds = apart <= CLOSE and same == 1.0
    report.claim(f"{repo} as {format_}: labels agree, probabilities within {apart:.1g}", holds)


def check_card(card, model, rows, report) -> None:
    """Read a card as the Hub does."""
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import model_index_to_eval_results

    record = ModelCard(card).data
    _, results = model_index_to_eval_results(record.to_dict()["model-index"])
    accuracy = {entry.metric_type: entry.metric_value for entry in results}["accuracy"]
    holds = accuracy == round(model.score(*rows), 4) and record.license == "apache-2.0"
    holds = holds and (record.base_model, record.base_model_relation) == (BASE, "finetune")
    report.claim("a card of a trec model is read by the Hub's own reader", holds)


def at_home(card, around, report) -> None:
    """Run the snippets of a card of nlptl itself."""
    commands = [[sys.executable, "-c", code] for code in snippets(card, "python")]
    commands += [[sys.executable, "-m", *shlex.split(line)] for line in snippets(card, "bash")]
    ran = [asked(command, around) is not None for command in commands]
    report.claim(f"{len(ran)} snippets of the card of a trec model run", ran == [True] * 3)


def snippets(card: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", card, flags=re.S)


def asked(command: list[str], around: dict, options: str = "") -> str | None:
    """Run something; give what it says, or None where it failed."""
    done = subprocess.run(
        command, check=False, input=options, capture_output=True, text=True, env=around
    )
    if done.returncode:
        sys.stderr.write(f"{command}\n{done.stderr}\n")
    return None if done.returncode else done.stdout


def environment(place: Path) -> str:
    """Make an environment without nlptl."""
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    wanted = ["-q", "-c", str(ROOT / ".ci" / "constraints.txt"), *NEEDED]
    subprocess.run([python, "-m", "pip", "install", *wanted], check=True)
    return python


def loophub():
    """Read the Hub of the tests, which is in no package."""
    path = ROOT / "tests" / "hub" / "loophub.py"
    spec = importlib.util.spec_from_file_location("loophub", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def point_at(url: str, place: str) -> None:
    """Let the client of this process take the Hub on this machine for the real one."""
    from huggingface_hub import constants

    constants.ENDPOINT = url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_CACHE = f"{place}/cache"
    constants.HF_HUB_DISABLE_XET, constants.HF_HUB_OFFLINE = True, False


def publish_base(hub) -> None:
    """Put the base model where those who read the adapter look for it."""
    folder = TransformerEncoder().folder
    hub.repos[BASE] = {"private": False, "commits": {}, "branches": {}}
    files = {p.relative_to(folder.path).as_posix(): p.read_bytes() for p in folder.files}
    hub.commit(BASE, files | {"README.md": b"---\nlicense: apache-2.0\n---\n"})


if __name__ == "__main__":
    sys.exit(main())

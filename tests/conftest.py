"""Small real things that tests share: no network, no user folders, tiny models from configs."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
if "PYTEST_XDIST_WORKER" in os.environ:  # each of the workers has a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import psutil
import pytest

WORDS = """
the parcel came late and box was broken i want my money back please help with password
reset how do add a second calendar to phone app crashes when open it your service is
very bad good charged twice this month on card cancel contract delete all data great
thank you ! ? . ,
""".split()


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
FAMILIES = {
    "albert": {**SIZES, "embedding_size": 16},
    "bert": SIZES,
    "deberta-v2": {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64},
    "electra": {**SIZES, "embedding_size": 16},
    "modernbert": {**SIZES, "global_attn_every_n_layers": 2},
    "mpnet": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
}


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run what takes long, too")


def pytest_collection_finish():
    """Leave the modules that are imported now out of garbage collections, which take a second."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: runs with --slow"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep every cache of the test run in one folder, which its workers share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "cache"
    folder.mkdir(exist_ok=True)
    before = os.environ.get("NLPTL_CACHE")
    os.environ["NLPTL_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["NLPTL_CACHE"]
    else:
        os.environ["NLPTL_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """A BERT of three layers and 32 numbers a token with random weights, in a folder."""
    return make_encoder(tmp_path_factory.mktemp("tiny-bert"))


# These are built as others are, and are left to the slow tests.
ALIKE = ("albert", "distilbert", "electra", "xlm-roberta")


@pytest.fixture(
    params=[pytest.param(f, marks=[pytest.mark.slow] if f in ALIKE else []) for f in FAMILIES]
)
def any_encoder(request, tmp_path) -> Path:
    """An encoder of each family, in a folder."""
    return make_encoder(tmp_path / "encoder", family=request.param)


def make_encoder(
    folder: Path, *, window: int | None = 32, seed: int = 0, family: str = "bert", **sizes
) -> Path:
    """Write a tiny encoder with random weights and a word tokenizer into a folder.

    Without a window the tokenizer states no maximum; ``sizes`` are settings of the family.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(WORDS))]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        **({} if window is None else {"model_max_length": window}),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
        settings = {"vocab_size": len(tokens), "max_position_embeddings": 64, **special}
        chosen = FAMILIES.get(family, {})
        config = AutoConfig.for_model(family, **{**settings, **chosen, **sizes})
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


def byte_encoder(folder: Path) -> Path:
    """Write a tiny encoder over bytes, whose tokenizer is a slow one, into a folder."""
    import torch
    from transformers import ByT5Tokenizer, T5Config, T5Model

    tokenizer = ByT5Tokenizer(extra_ids=0)
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
        config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=0, **sizes)
        T5Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reseal():
    """Record every file of a changed model folder, as its author could."""
    from nlptl.storage.manifest import read_manifest, write_manifest

    def seal(folder: Path) -> None:
        record = read_manifest(folder)
        (folder / "manifest.json").unlink()
        write_manifest(folder, kind=record["kind"], version=record["nlptl"])

    return seal


@pytest.fixture(scope="session")
def support():
    """The shipped support requests: texts, labels."""
    from nlptl.data.samples import support_requests

    return support_requests()


@pytest.fixture
def few(support):
    """Forty support requests of two kinds that are easy to tell apart."""
    texts, labels = support
    rows = [i for i, label in enumerate(labels) if label in ("billing", "how_to")]
    rows = [*rows[:20], *rows[-20:]]
    return [texts[i] for i in rows], [labels[i] for i in rows]


@pytest.fixture
def clouds():
    """Three clouds of points that a linear head can tell apart: X, y."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    centres = rng.normal(size=(3, 12)) * 2
    return (centres[y] + rng.normal(size=(90, 12))).astype(np.float32), y


@pytest.fixture(scope="session")
def vectors_file(tmp_path_factory) -> Path:
    """Word vectors of 8 numbers in word2vec text format."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("vectors") / "words.vec"
    words = sorted({word for word in WORDS if word.isalpha()})
    rows = [f"{word} {' '.join(f'{x:.4f}' for x in rng.normal(size=8))}" for word in words]
    path.write_text("\n".join([f"{len(words)} 8", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """Run a script as users do: with ``accelerate launch``, two processes on the processor.

    ``"-m"`` as the script runs the module that is the first argument.
    """
    settings = "--num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"

    def start(script, *arguments, processes=2, flags=None, **environment):
        chosen = flags or (["--multi_gpu"] if processes > 1 else ["--cpu"])
        command = [sys.executable, "-m", "accelerate.commands.launch", *chosen]
        command += ["--num_processes", str(processes), *settings.split(), str(script)]
        clean = {n: v for n, v in os.environ.items() if not n.startswith("ACCELERATE_")}
        on_processor = {} if flags else {"ACCELERATE_USE_CPU": "true"}
        own = {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path_factory.getbasetemp() / "hf")}
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            env={**clean, **on_processor, **own, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(script, *arguments, **options):
        process = start(script, *arguments, **options)
        try:
            process.out, process.err = process.communicate(timeout=900)
        finally:
            if process.poll() is None:
                kill(process)
        return process

    def kill(process):
        """Kill the launcher and its processes, which are in sessions of their own."""
        family = [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(recursive=True),
        ]
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=60)
        process.communicate()

    def kill_at_step(script, *arguments, step, folder, processes):
        """Kill a run that has written its checkpoint of a step, and waits there."""
        held = tmp_path_factory.mktemp("held") / "held.py"
        runs = f"run_path({str(script)!r}"
        if script == "-m":
            runs, arguments = f"run_module({arguments[0]!r}, alter_sys=True", arguments[1:]
        held.write_text(HELD.format(step=step, runs=runs), encoding="utf-8")
        process = start(held, *arguments, processes=processes)
        while not list(folder.glob(f"step-*{step}")) and process.poll() is None:
            time.sleep(0.02)
        kill(process)

    run.start, run.kill, run.kill_at_step = start, kill, kill_at_step
    return run


HELD = """
import runpy, threading
from nlptl.training.checkpoints import Keeper

plain = Keeper.save

def save(self, step, *rest):
    kept = plain(self, step, *rest)
    if step >= {step}:
        threading.Event().wait()
    return kept

Keeper.save = save
runpy.{runs}, run_name="__main__")
"""


@pytest.fixture(scope="session")
def in_small_files():
    """Run code where no file can grow beyond some bytes, which is how a full disk shows."""
    prologue = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "def limit(n): resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))\n"
    )

    def run(code, *arguments):
        command = [sys.executable, "-c", prologue + code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


LOOPHUB = Path(__file__).with_name("hub") / "loophub.py"


def _loophub():
    """Read the server beside this file, which is in no package."""
    if "loophub" not in sys.modules:
        spec = importlib.util.spec_from_file_location("loophub", LOOPHUB)
        module = importlib.util.module_from_spec(spec)
        sys.modules["loophub"] = module
        spec.loader.exec_module(module)
    return sys.modules["loophub"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on this machine, which the client takes for the real one."""
    from huggingface_hub import constants

    loophub = _loophub()
    with loophub.running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_ENABLE_HF_TRANSFER", False, raising=False)
        monkeypatch.setenv("HF_TOKEN", loophub.TOKEN)
        yield server

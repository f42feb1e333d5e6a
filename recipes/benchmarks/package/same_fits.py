"""Claim: this checkout fits and reads what an older commit does, figure for figure.

    python recipes/benchmarks/package/same_fits.py COMMIT [--quick] [--only FIT ...]

The commit is checked out into a temporary folder. Each side runs in a process of its own, on one
thread, one after the other: it asks every golden folder of tests/contracts/golden, and it makes
fifteen fits with fixed seeds, twelve on a tiny encoder of random weights and on word counts, three
on MiniLM (left out by --quick). Compared are the answers for texts that no fit has seen.

claims: golden folders answer the same within 1e-6. Frozen fits are equal to the last bit, tuned
ones within 1e-5. The names of those that are not equal to the last bit are printed. It needs no
material.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report

HERE = Path(__file__).resolve().parents[3]
MAX_GOLDEN, MAX_TUNED = 1e-6, 1e-5
FROZEN = ("words", "frozen", "frozen several", "frozen names", "MiniLM frozen")
"""Fits without a training step: their answers are equal to the last bit."""


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder, and remove it in the end."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "older"
        git = ["git", "-C", str(HERE)]
        subprocess.run([*git, "worktree", "add", "-q", "--detach", folder, commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", folder], check=True)


def answers_of(package: Path, task: list[str]) -> dict[str, Any]:
    """Run this script as a child, with the package of a checkout; return what it answers."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "NLPTL_CACHE": cache,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(package),
            "TOKENIZERS_PARALLELISM": "false",
        }
        command = [sys.executable, "-W", "ignore", __file__, "--child", *task]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def child(task: list[str]) -> None:
    """Ask golden folders or make fits, and print the answers as one line of JSON."""
    import nlptl

    if Path(nlptl.__file__).parents[1] != Path(os.environ["PYTHONPATH"]):
        sys.exit(f"The package is that of {nlptl.__file__}, and not of {os.environ['PYTHONPATH']}.")
    answers = asked_folders() if task == ["golden"] else made_fits(task)
    sys.stdout.write("\n" + json.dumps(answers) + "\n")


def golden_of_package() -> Path:
    """Return the golden folders of the imported package, whose modules can be imported then."""
    golden = Path(os.environ["PYTHONPATH"]) / "tests" / "contracts" / "golden"
    sys.path.insert(0, str(golden))
    return golden


def asked_folders() -> dict[str, Any]:
    """Ask every golden folder of the package; return its answers by name."""
    golden = golden_of_package()
    from ask import ask

    return {
        path.parent.name: ask(path.parent / "model", json.loads(path.read_text()))
        for path in sorted(golden.glob("*/*/answers.json"))
    }


def made_fits(names: list[str]) -> dict[str, Any]:
    """Make fits; return the figures of unseen texts by name."""
    with tempfile.TemporaryDirectory() as place:
        made = fits(Path(place))
        return {name: {"figures": np.asarray(made[name]()).tolist()} for name in names}


def fits(room: Path) -> dict[str, Callable[[], Any]]:
    """Return for each fit a function that makes it and answers for unseen texts."""
    golden_of_package()
    import make

    import nlptl as n

    tiny = make.transformer(room / "tiny")
    texts, labels, asked = make.TEXTS, make.LABELS, make.ASKED
    support, kinds = n.support_requests()
    training = n.TrainingConfig(epochs=2, batch_size=8, learning_rate=2e-3, quiet=True)
    brief = n.TrainingConfig(max_steps=3, batch_size=8, refit=False, quiet=True)

    def classifier(
        encoder: Any, settings: Any = texts, answers: Any = labels, **options: Any
    ) -> Any:
        made = n.TextClassifier(encoder, seed=0, device="cpu", **options).fit(settings, answers)
        unseen = (
            list(zip(asked, asked[::-1], strict=True)) if isinstance(settings[0], tuple) else asked
        )
        return made.predict_proba(unseen)

    def regressor(**options: Any) -> Any:
        made = n.TextRegressor(tiny, seed=0, device="cpu", training=training, **options)
        return made.fit(texts, make.LENGTHS).predict(asked)

    def tasks() -> Any:
        kinds = {"topic": n.Task(), "length": n.Task("regression")}
        made = n.MultiTaskModel(kinds, encoder=tiny, training=training, seed=0, device="cpu")
        made.fit({"topic": (texts, labels), "length": (texts, make.LENGTHS)})
        numbers = made.models_["length"].predict(asked)
        return np.column_stack([made.models_["topic"].predict_proba(asked), numbers])

    def student() -> Any:
        pairs = [(text, text[::-1]) for text in texts]
        made = n.LanguageStudent(tiny, training=training, seed=0, device="cpu")
        return made.fit({"new": pairs}).encoder_.transform(asked)

    def minilm(transfer: Any) -> Any:
        # The setting was called dtype until 29 November 2026.
        fields = n.TransformerEncoder.__dataclass_fields__
        full = {"precision" if "precision" in fields else "dtype": "float32"}
        encoder = n.TransformerEncoder(cache=None, **full)
        options = {"transfer": transfer, "training": brief}
        return classifier(encoder, support[::2], kinds[::2], **options)

    tuned = {"training": training}
    pairs, flags = make.PAIRS, make.PAIR_LABELS
    return {
        "words": lambda: classifier(n.TfidfEncoder()),
        "frozen": lambda: classifier(tiny),
        "frozen several": lambda: classifier(tiny, answers=make.SEVERAL),
        "frozen names": lambda: classifier(tiny, transfer=n.LabelMeaning(make.NAMES)),
        "frozen network": lambda: classifier(tiny, head=n.MLPHead((8,)), **tuned),
        "contrastive": lambda: classifier(tiny, transfer=n.Contrastive(), **tuned),
        "full": lambda: classifier(tiny, transfer=n.FullFineTune(), **tuned),
        "full pairs": lambda: classifier(tiny, pairs, flags, transfer=n.FullFineTune(), **tuned),
        "LoRA": lambda: classifier(tiny, transfer=n.LoRA(rank=2, merge=False), **tuned),
        "numbers": lambda: regressor(transfer=[n.FullFineTune(), n.L2SP(1e-3)]),
        "tasks": tasks,
        "student": student,
        "MiniLM frozen": lambda: minilm(None),
        "MiniLM contrastive": lambda: minilm(n.Contrastive(steps=3)),
        "MiniLM full": lambda: minilm(n.FullFineTune()),
    }


NAMES = (
    *("words", "frozen", "frozen several", "frozen names", "frozen network", "contrastive"),
    *("full", "full pairs", "LoRA", "numbers", "tasks", "student"),
    *("MiniLM frozen", "MiniLM contrastive", "MiniLM full"),
)


def difference(old: Any, new: Any) -> float:
    """Return the largest difference of two answers of one kind; infinity where labels differ."""
    if isinstance(old, dict):
        if old.keys() != new.keys():
            return float("inf")
        return max(difference(old[name], new[name]) for name in old)
    if old == new:
        return 0.0
    try:
        left, right = (np.asarray(answers, np.float64) for answers in (old, new))
    except (TypeError, ValueError):
        return float("inf")
    return float(np.abs(left - right).max()) if left.shape == right.shape else float("inf")


def main() -> int:
    """Run both sides and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without MiniLM")
    parser.add_argument("--only", nargs="*", default=NAMES, choices=NAMES, help="these fits alone")
    parser.add_argument("--child", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("commit", nargs="?", help="older commit")
    options = parser.parse_args()
    if options.child is not None:
        child(options.child)
        return 0
    if options.commit is None:
        parser.error("name the older commit")
    names = [name for name in options.only if not (options.quick and name.startswith("MiniLM"))]
    report = Report("same_fits")
    with checkout(options.commit) as older:
        results = {
            side: (answers_of(package, ["golden"]), answers_of(package, names))
            for side, package in (("old", older), ("new", HERE))
        }
    (old_folders, old_fits), (new_folders, new_fits) = results["old"], results["new"]
    far = {name: difference(old_folders[name], new_folders[name]) for name in old_folders}
    report.record(folders=len(far), most=max(far.values()))
    unlike = [name for name in far if not far[name] <= MAX_GOLDEN]
    report.claim(f"{len(far)} golden folders answer the same ({unlike} do not)", not unlike)
    for name in names:
        apart = difference(old_fits[name], new_fits[name])
        report.record(fit=name, difference=apart)
        limit = 0.0 if name in FROZEN else MAX_TUNED
        report.claim(f"{name}: at most {limit} apart ({apart:.2g})", apart <= limit)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

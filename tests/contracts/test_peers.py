"""Weights equal those of skada and densratio, and an encoder is a step of skada (extra ``peers``).

Importing skada changes a setting of scikit-learn for the whole process (metadata routing), so each
test runs in a process of its own.
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = ("skada", "densratio")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

COMPARED = """
import json
import warnings

import numpy as np
from densratio import densratio
from skada import DiscriminatorReweightAdapter, KMMReweightAdapter

from nlptl.data.splits import stratified_folds
from nlptl.transfer.instances.density_ratio import classifier_ratio, domain_classifier
from nlptl.transfer.instances.kernel_mean_matching import kernel_mean_weights
from nlptl.transfer.instances.relative_ratio import fit_relative_ratio

np.random.seed(0)  # densratio draws its centres from the global generator
rng = np.random.default_rng(0)
source, target = rng.normal(size=(120, 3)), rng.normal(size=(90, 3)) * 0.7 + 0.5
differences = {}

for alpha in (0.0, 0.1, 0.5):
    for width, penalty in ((0.8, 0.1), (1.5, 0.01), (3.0, 1.0)):
        options = {"sigma": width, "lambda_": penalty, "alpha": alpha, "kernel_num": 40}
        peer = densratio(target, source, "RuLSIF", verbose=False, **options)
        ours = fit_relative_ratio(
            target, source, peer.kernel_info.centers,
            alpha=alpha, widths=[width], penalties=[penalty],
        )
        # densratio sets negative coefficients to 0, nlptl negative ratios: see its docstring.
        difference = ours.nonnegative.of(source) - peer.compute_density_ratio(source)
        differences[f"RuLSIF {alpha} {width}"] = np.abs(difference).max()

# densratio leaves a division out of its leave-one-out formula, so the choice of its settings is
# compared only where it does not matter.
grid = [0.3, 1.0, 6.0]
peer = densratio(target, source[:90], "uLSIF", sigma=grid, lambda_=[0.1], verbose=False)
ours = fit_relative_ratio(
    target, source[:90], peer.kernel_info.centers, alpha=0.0, widths=grid, penalties=[0.1]
)
differences["uLSIF, chosen width"] = abs(ours.width - peer.kernel_info.sigma)


def domains(n):
    return np.repeat([1, -1], [n, len(target)])


for n, width, bound in ((30, 0.5, 10.0), (30, 1.0, 1.5), (40, 1.0, 3.0), (40, 0.2, 10.0)):
    peer = KMMReweightAdapter(
        gamma=1 / (2 * width**2), B=bound, solver="scipy", tol=1e-16, max_iter=100_000
    )
    peer.fit(np.vstack([source[:n], target]), sample_domain=domains(n))
    ours = kernel_mean_weights(source[:n], target, width=width, bound=bound)
    differences[f"KMM {n} {width} {bound}"] = np.abs(ours - peer.source_weights_).max()

# skada 0.6.0 returns the odds of the source, nlptl those of the target. It has no folds: here a
# peer is fitted without each fold, and returns odds up to one factor.
ours = classifier_ratio(source, target, seed=3)
folds = stratified_folds(np.repeat([0, 1], [120, 90]), 5, seed=3)
rows, domain = np.vstack([source, target]), domains(120)
for fold in range(5):
    kept, held = folds != fold, np.flatnonzero(folds[:120] == fold)
    peer = DiscriminatorReweightAdapter(domain_classifier(int(kept.sum())))
    peer.fit(rows[kept], sample_domain=domain[kept])
    odds = peer.compute_weights(source[held], sample_domain=np.ones(len(held), dtype=int))
    odds = 1 / odds[-len(held):]
    differences[f"discriminator {fold}"] = np.abs(
        ours[held] / ours[held].mean() - odds / odds.mean()
    ).max()
print(json.dumps({name: float(value) for name, value in differences.items()}))
"""


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "skada.md"


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_an_encoder_is_a_step_of_a_pipeline_of_skada():
    (code,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.5


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_weights_equal_those_of_skada_and_densratio():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPARED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout)
    assert len(differences) == 9 + 1 + 4 + 5
    assert {name: value for name, value in differences.items() if value > 1e-6} == {}

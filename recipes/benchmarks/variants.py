"""What the ablations share: one thing is changed at a time, on the same draws for all."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from material import Kept, Report

from nlptl.evaluation.intervals import paired_interval


def compare_variants(
    judged: Callable[[str, str, int], float],
    names: Sequence[str],
    given: argparse.Namespace,
    report: Report,
    *,
    sets: Sequence[str],
    plain: str,
    default: str,
) -> None:
    """Measure variants on several draws, and print their means and gains.

    Parameters
    ----------
    judged : callable
        Takes a variant, a data set and a seed; gives the accuracy.
    names : sequence of str
        The variants.
    given : argparse.Namespace
        ``sets``, ``seeds`` and ``kept`` of the command line.
    report : Report
        Gets the claim that no variant is clearly better than the default.
    sets : sequence of str
        Data sets, where the command line names none.
    plain, default : str
        The variant of which the others change one thing, and what users get.
    """
    kept, seeds = Kept(given.kept), given.seeds or range(1 if given.quick else 3)
    sets = given.sets or sets
    found: dict[str, np.ndarray] = {}
    for variant in names:
        each = [
            kept.once(partial(judged, variant, name, s), set=name, seed=s, method=variant)
            for name in sets
            for s in seeds
        ]
        found[variant] = np.array(each).reshape(len(sets), len(seeds))
    rows = []
    for variant, figures in found.items():
        means = dict(zip(sets, figures.mean(axis=1).tolist(), strict=True))
        rows.append({"variant": variant, **means, "mean": float(figures.mean())})
        if plain in found and figures.size > 1:
            gain = paired_interval((figures - found[plain]).ravel())
            rows[-1] |= {"gain": gain.value, "low": gain.low, "high": gain.high}
        report.record(**rows[-1])
    report.table(f"Accuracy on training rows, gain over {plain!r}, {len(seeds)} draws a set", rows)
    if default not in found or len(found) == 1 or found[default].size == 1:  # a part of a run
        return
    for variant, figures in found.items():
        if variant != default:
            gain = paired_interval((figures - found[default]).ravel())
            report.claim(f"{variant} is not clearly better than the default: {gain}", gain.low <= 0)

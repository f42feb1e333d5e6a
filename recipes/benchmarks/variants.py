"""Shared part of the ablations: change one thing at a time, on the same draws for all."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from material import Report

from nlptl.evaluation.intervals import paired_interval


def compare_variants(
    judged: Callable[[str, str, int], float],
    names: Sequence[str],
    options: argparse.Namespace,
    report: Report,
    *,
    sets: Sequence[Sequence[str]],
    against: tuple[str, str],
) -> None:
    """Measure variants on several draws, and print their means and gains.

    Parameters
    ----------
    judged : callable
        Takes a variant, a data set and a seed; gives the accuracy.
    names : sequence of str
        The variants.
    options : argparse.Namespace
        ``sets``, ``seeds`` and ``kept`` of the command line.
    report : Report
        Gets the claim that no variant is clearly better than the default.
    sets : sequence of two sequences of str
        Data sets for all variants, where the command line names none; and others, on which the
        best of them has to hold what it promised. There may be none of these.
    against : tuple of (str, str)
        The variant of which the others change one thing, and what users get.
    """
    kept, seeds = report.ledger(options), options.seeds or range(1 if options.quick else 3)
    plain, default = against

    def measured(variant: str, some: Sequence[str]) -> np.ndarray:
        each = [
            kept.once(partial(judged, variant, name, s), set=name, seed=s, method=variant)
            for name in some
            for s in seeds
        ]
        return np.array(each).reshape(len(some), len(seeds))

    first = options.sets or sets[0]
    results = {variant: measured(variant, first) for variant in names}
    rows = []
    for variant, figures in results.items():
        means = dict(zip(first, figures.mean(axis=1).tolist(), strict=True))
        rows.append({"variant": variant, **means, "mean": float(figures.mean())})
        if plain in results and figures.size > 1:
            gain = paired_interval((figures - results[plain]).ravel())
            rows[-1] |= {"gain": gain.value, "low": gain.low, "high": gain.high}
        report.record(**rows[-1])
    report.table(f"Accuracy on training rows, gain over {plain!r}, {len(seeds)} draws a set", rows)
    if default not in results or len(results) == 1 or results[default].size == 1:  # a part of a run
        return
    best = max(results, key=lambda variant: float(results[variant].mean()))
    if best != default and sets[1] and not (options.sets or options.quick):
        for variant in (best, default):
            results[variant] = np.concatenate([results[variant], measured(variant, sets[1])])
            means = dict(
                zip([*first, *sets[1]], results[variant].mean(axis=1).tolist(), strict=True)
            )
            report.record(variant=variant, **means)
    for variant, figures in results.items():
        if variant != default:
            baseline = results[default][: len(figures)]
            gain = paired_interval((figures - baseline).ravel())
            report.claim(f"{variant} is not clearly better than the default: {gain}", gain.low <= 0)

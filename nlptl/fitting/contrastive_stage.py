"""Tuning an encoder by comparing texts, before any head is fitted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.transfers import Transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.solver_fit import weigh_rows
from nlptl.training.checkpoints import logger
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History
from nlptl.transfer.features.frozen import TextFeatures

CONTRAST = LoopConfig(
    epochs=25, batch_size=64, learning_rate=1e-4, weight_decay=0.01, warmup_share=0.1, patience=25
)
"""What is taken where ``TrainingConfig`` leaves it open; epochs become fewer with more rows."""

_ROWS_TO_SEE = 4_000
"""Rows that are seen in all, where that takes no more epochs than ``CONTRAST`` has."""

_EPOCHS_PER_CLASS, _MIN_EPOCHS_OF_FEW_ROWS = 5, 15
"""Epochs by the classes, and the fewest of few rows: two classes are soon apart."""

_MIN_EPOCHS = 3

_MAX_MEAN_COSINE = 0.98
"""Mean cosine from which texts of different classes count as one and the same."""

_ROWS_TO_CHECK = 256


def contrast_config(transfers: Transfers, n_rows: int, n_classes: int) -> LoopConfig:
    """Give the settings for so many rows: fewer passes over more rows, more over more classes.

    Time grows at most in proportion to the rows.
    """
    steps = _asked(transfers, "steps")
    most = min(max(_EPOCHS_PER_CLASS * n_classes, _MIN_EPOCHS_OF_FEW_ROWS), CONTRAST.epochs)
    epochs = min(max(round(_ROWS_TO_SEE / n_rows), _MIN_EPOCHS), most)
    return replace(CONTRAST, epochs=epochs if steps is None else 10_000, max_steps=steps)


def contrast(
    body: TunedEncoder, rows: Rows, targets: Targets
) -> tuple[TextFeatures, History | None]:
    """Tune the encoder so that texts of one class lie together.

    Parameters
    ----------
    body : TunedEncoder
    rows : Rows
    targets : Targets
        Their classes.

    Returns
    -------
    features, history
        The history is that of the last training. There is none where no class has two rows:
        then the encoder stays as it is.

    Raises
    ------
    ConfigError
        If the targets are numbers, or settings ask for held-out rows.
    """
    config = body.plan.config
    if targets.numeric:
        raise ConfigError("Contrastive() compares classes, and numbers have none.")
    if config.keep == "best":
        raise ConfigError("Contrastive() runs a set number of steps: leave keep='best' out.")
    if targets.counts.max() < 2:
        logger.warning("No class has two texts to draw together; the encoder stays as it is.")
        return body.start, None
    from nlptl.training.networks.text_training import Tuning, tune

    seen = body.windows(rows.texts, weigh_rows(targets, None), most=1)
    how = Tuning(
        config,
        body.plan.seed,
        body.plan.device,
        settings=body.settings(seen, config),
        collapsed=partial(one_place, targets=targets),
    )
    n_features = sum(width for _, width in body.start.groups(rows))
    build = partial(body.headless, n_features, seen.windows.ids)
    network, history = tune(build, seen, how)
    for place in range(1, _asked(body.transfers, "seeds") or 1):
        before = body.spared(network)
        network, history = tune(build, seen, _further(how, place))
        body.average(network, before, place / (place + 1))
    return body.features(network), history


def _asked(transfers: Transfers, name: str) -> int | None:
    """Give a setting of whichever transfer has it."""
    return next((n for one in transfers if (n := getattr(one, name, None))), None)


def _further(how: Any, place: int) -> Any:
    """Give a further training its own seed and checkpoints."""
    kept = how.config.checkpoints
    apart = None if kept is None else str(Path(kept) / f"seed-{place}")
    return replace(how, seed=how.seed + place, config=replace(how.config, checkpoints=apart))


def one_place(network: Any, rows: Any, _: History, *, targets: Targets) -> str | None:
    """Say that texts of all classes came to lie in one place, or None where they did not."""
    from nlptl.training.networks.text_network import features_of

    some = np.random.default_rng(0).permutation(len(rows))[:_ROWS_TO_CHECK]
    vectors = features_of(network, rows, some=some)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    marked: FloatArray = targets.take(some).one_hot
    apart = (marked @ marked.T) == 0
    if not apart.any() or float((unit @ unit.T)[apart].mean()) < _MAX_MEAN_COSINE:
        return None
    return "texts of all classes lie in one place"

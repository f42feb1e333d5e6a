"""Contrastive tuning of an encoder, before the head is fitted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.transfers import Transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.solver_fit import weigh_rows
from nlptl.training.checkpoints import logger
from nlptl.training.config import LoopConfig, in_subfolder
from nlptl.training.history import History
from nlptl.transfer.features.frozen import TextFeatures

if TYPE_CHECKING:
    from nlptl.training.networks.text_network import LabelledWindows, TextNetwork
    from nlptl.training.networks.text_training import Tuning

CONTRAST = LoopConfig(
    epochs=12, batch_size=64, learning_rate=1.5e-4, weight_decay=0.01, warmup_share=0.1, patience=12
)
"""Defaults of the settings that ``TrainingConfig`` leaves open. More rows get fewer epochs."""

_ROWS_TO_SEE = 4_000
"""Number of rows to train on, summed over the epochs, within the limits on the epochs."""

_EPOCHS_PER_CLASS, _MIN_EPOCHS_OF_FEW_ROWS = 2.5, 8
"""Maximum epochs per class, and the lowest value of this maximum. Few classes separate early."""

_MIN_EPOCHS = 3

_MAX_MEAN_COSINE = 0.98
"""Mean cosine between texts of different classes from which training counts as collapsed."""

_ROWS_TO_CHECK = 256


def contrast_config(transfers: Transfers, n_rows: int, n_classes: int) -> LoopConfig:
    """Return the training settings for a number of rows and classes.

    More rows get fewer epochs, and more classes get more epochs. The time grows at most in
    proportion to the number of rows.
    """
    steps = _setting(transfers, "steps")
    by_class = max(round(_EPOCHS_PER_CLASS * n_classes), _MIN_EPOCHS_OF_FEW_ROWS)
    most = min(by_class, CONTRAST.epochs)
    epochs = min(max(round(_ROWS_TO_SEE / n_rows), _MIN_EPOCHS), most)
    return replace(CONTRAST, epochs=epochs if steps is None else 10_000, max_steps=steps)


def contrast(
    body: TunedEncoder, rows: Rows, targets: Targets
) -> tuple[TextFeatures, History | None]:
    """Tune the encoder so that texts of the same class have similar vectors.

    Parameters
    ----------
    body : TunedEncoder
    rows : Rows
    targets : Targets
        Classes of the rows.

    Returns
    -------
    features, history
        The history of the last training run. It is None if no class has two rows. The encoder
        then stays as it is.

    Raises
    ------
    ConfigError
        If the targets are numbers, or if ``keep="best"`` asks for held-out rows.
    """
    config = body.plan.config
    if targets.numeric:
        raise ConfigError(
            "Contrastive() compares classes, got numbers. Use FullFineTune() or Frozen() instead."
        )
    if config.keep == "best":
        raise ConfigError(
            "Contrastive() runs a fixed number of steps without held-out rows, got keep='best'. "
            "Leave keep out."
        )
    if targets.counts.max() < 2:
        logger.warning("No class has two texts to compare. The encoder stays as it is.")
        return body.start, None
    from nlptl.training.networks.text_training import Tuning, tune

    n_runs = _setting(body.transfers, "seeds") or 1
    if n_runs > 1 and getattr(body.transfers.main, "reinit_layers", None):
        raise ConfigError(
            f"Contrastive(seeds={n_runs}) averages the weights of several trainings, but with "
            "reinit_layers they begin with other weights. Leave one of them out."
        )
    windows = body.windows(rows.texts, weigh_rows(targets, None), max_windows=1)
    how = Tuning(
        config,
        body.plan.seed,
        body.plan.device,
        settings=body.settings(windows, config),
        collapsed=partial(one_place, targets=targets),
    )
    n_features = sum(width for _, width in body.start.groups(rows))
    build = partial(body.headless, n_features, windows.windows.ids)
    network, history = tune(build, windows, how)
    for run in range(1, n_runs):
        previous = body.spared(network)
        network, history = tune(build, windows, _of_run(how, run))
        body.average(network, previous, run / (run + 1))
    return body.features(network), history


def _setting(transfers: Transfers, name: str) -> int | None:
    """Return a setting of the first transfer that has it, or None."""
    values = (getattr(transfer, name, None) for transfer in transfers)
    return next((value for value in values if value), None)


def _of_run(how: Tuning, run: int) -> Tuning:
    """Return the settings of an additional training run, with another seed and folder."""
    return replace(how, seed=how.seed + run, config=in_subfolder(how.config, f"seed-{run}"))


def one_place(
    network: TextNetwork, rows: LabelledWindows, _: History, *, targets: Targets
) -> str | None:
    """Return why training collapsed, or None if it did not.

    It collapsed if texts of different classes have almost the same vector.
    """
    from nlptl.training.networks.text_network import features_of

    sample = np.random.default_rng(0).permutation(len(rows))[:_ROWS_TO_CHECK]
    vectors = features_of(network, rows, some=sample)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    one_hot: FloatArray = targets.take(sample).one_hot
    differ = (one_hot @ one_hot.T) == 0
    if not differ.any() or float((unit @ unit.T)[differ].mean()) < _MAX_MEAN_COSINE:
        return None
    return "texts of all classes have almost the same vector"

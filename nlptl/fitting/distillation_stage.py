"""Train an encoder so that its vectors equal target vectors, such as those of a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.storage.hashing import fingerprint
from nlptl.training.history import History
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.features.language_distillation import LanguageDistillation


def language_transfers(transfer: object) -> Transfers:
    """Read the parameter ``transfer`` of a student of another language.

    Parameters
    ----------
    transfer : Transfer, list of Transfer or None
        None means ``LanguageDistillation()``.

    Raises
    ------
    ConfigError
        If ``LanguageDistillation`` is missing, or as in ``as_transfers``.
    """
    chosen = LanguageDistillation() if transfer is None else transfer
    transfers = as_transfers(chosen, translations=True)
    if not any(isinstance(part, LanguageDistillation) for part in transfers.others):
        raise ConfigError(
            f"transfer needs LanguageDistillation(), alone or in a list, got {transfer!r}. Add it."
        )
    return transfers


def distil(
    start: TransformerEncoder,
    transfers: Transfers,
    plan: TrainingPlan,
    texts: Sequence[str],
    targets: Targets,
    *,
    teacher: str,
) -> tuple[TransformerEncoder, History]:
    """Train an encoder on texts with target vectors.

    Parameters
    ----------
    start : TransformerEncoder
        The encoder before training, with the vectors of one layer. It does not change.
    transfers : Transfers
        With ``LanguageDistillation``, which compares the vectors.
    plan : TrainingPlan
    texts : sequence of str
    targets : Targets
        One vector per text, of shape (n, dim).
    teacher : str
        Fingerprint of the encoder that the vectors come from. It identifies the fit in checkpoints.

    Returns
    -------
    encoder, history
    """
    from nlptl.training.networks.text_training import Tuning, tune

    body = TunedEncoder(transfers, TextFeatures(start, np.ones(1)), plan)
    rows = body.windows(texts, targets)
    settings = {
        **body.settings(None, plan.config),
        "teacher": teacher,
        "rows": fingerprint(rows.windows.ids),
        # As bytes: the numbers of all vectors as text would take long.
        "vectors": hashlib.sha256(np.ascontiguousarray(targets.codes).tobytes()).hexdigest(),
    }
    tuning = Tuning(plan.config, plan.seed, plan.device, settings=settings)
    build = partial(body.headless, targets.n_outputs, rows.windows.ids)
    network, history = tune(build, rows, tuning)
    return body.features(network).encoder, history

"""Extra training rows that are edited copies, and the check of the unlabelled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.data.corpus import Corpus
from nlptl.data.rows import Rows
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.instances import WordEdits


def with_edits(data: TrainingData, plan: FitPlan) -> TrainingData:
    """Add edited copies of the labelled rows to the data, if ``WordEdits`` is used.

    The weights of the copies of a row sum to the weight of the row.
    """
    edits, rows, targets = plan.transfers.edits, data.rows, data.targets
    if edits is None or not len(rows):
        return data
    copied = targets.take(np.tile(np.arange(len(rows)), edits.copies))
    weights = np.ones(len(copied)) if copied.weights is None else copied.weights
    return data.with_extra(
        _edited(edits, rows, plan.seed), replace(copied, weights=weights / edits.copies)
    )


def check_unlabeled(plan: FitPlan, data: TrainingData) -> None:
    """Check that the unlabelled rows are used, and that self-training has some.

    Raises
    ------
    ConfigError
        If nothing uses the unlabelled rows, or if a transfer needs them and there are none.
    InputError
        If some rows are pairs of texts and others are not.
    """
    unlabeled = data.unlabeled
    if plan.transfers.selftraining is None:
        used = "unlabeled" in plan.transfers.uses
        if "unlabeled" in plan.transfers.needs and not len(unlabeled):
            names = plan.transfers.names_needing("unlabeled")
            raise ConfigError(f"{names} needs fit(..., unlabeled=Corpus(texts)), got none.")
        is_in_doubt = len(unlabeled) and not used and not plan.is_chosen
        if is_in_doubt and not getattr(plan.encoder, "learns_from_text", True):
            raise ConfigError(
                f"fit received unlabeled=..., but this {type(plan.encoder).__name__} is not fitted "
                "to texts and no transfer uses them. Leave it out, or add SelfTraining()."
            )
        return
    n, name = len(data.rows), type(plan.transfers.selftraining).__name__
    if not len(unlabeled) or not (n or data.names):
        raise ConfigError(
            f"{name}() needs labelled texts (or class names) and unlabelled texts, got "
            f"{n} and {len(unlabeled)}. Call fit(..., unlabeled=Corpus(texts))."
        )
    if unlabeled.are_pairs != data.rows.are_pairs:
        raise InputError(
            f"{name}() needs labelled and unlabelled texts of the same kind, got pairs of "
            "texts and single texts. Pass only one kind."
        )


def _edited(edits: WordEdits, rows: Rows, seed: int) -> Rows:
    numbers = None if rows.numbers is None else np.tile(rows.numbers, (edits.copies, 1))
    if not rows.are_pairs:
        return Rows(edits.edited([str(text) for text in rows.texts], seed=seed), numbers)
    sides = [
        edits.edited([str(text) for text in rows.side(side).texts], seed=seed + side)
        for side in (0, 1)
    ]
    return Rows(list(zip(*sides, strict=True)), numbers)


def check_validation(plan: FitPlan, validation: Corpus | Mapping[str, Corpus] | None) -> None:
    """Check that a transfer uses the validation rows, if there are some.

    Raises
    ------
    ConfigError
        If none does.
    """
    if validation is None or (plan.transfers.tunes and not plan.transfers.refits_head):
        return
    transfers = (*plan.transfers.pretraining, *plan.transfers)
    names = " with ".join(f"{type(transfer).__name__}()" for transfer in transfers)
    raise ConfigError(f"fit received validation=..., but {names} does not use it. Leave it out.")

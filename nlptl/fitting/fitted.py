"""Fitted heads and models: from features or texts to probabilities, labels and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import InputError
from nlptl.base.progress import shared_progress
from nlptl.base.protocols import Features
from nlptl.data.labels import check_lengths
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.evaluation.class_metrics import ClassScores, class_scores, mean_rank_error
from nlptl.evaluation.error_report import ErrorReport, error_report
from nlptl.fitting.plan import rows_for
from nlptl.fitting.recipe_json import describe_recipe, make_recipe
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.registry import (
    describe_head,
    make_head,
    restore_solver,
    sizes_of,
    solver_arrays,
)
from nlptl.heads.solver_fit import logits_of
from nlptl.training.history import History
from nlptl.training.networks.feature_network import NetworkRecipe
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.instances.source_weights import SourceWeights

_ROWS_AT_ONCE = 16_384
"""Rows whose features are in memory at the same time in a prediction."""

_EXAMPLES = ("The order arrived late.", "What is this?", "Thank you, all is well now.")


@dataclass(frozen=True, eq=False)
class FittedHead:
    """Fitted head: predicts probabilities from features.

    Attributes
    ----------
    head : head
        The unfitted head with its parameters.
    fitted : object
        The fitted head or network.
    decision : Decision
        Converts logits to probabilities and classes.
    recipe : NetworkRecipe or None
        Components of the network. None if the head is not a network.
    history : History or None
        Training history of the network.
    """

    head: Any
    fitted: Any
    decision: Decision
    recipe: NetworkRecipe | None = None
    history: History | None = None

    def logits(self, features: Features) -> FloatArray:
        """Return the logits or numbers of the head (n, n_outputs), without the decision."""
        return logits_of(self.fitted, features)

    def probabilities(self, features: Features) -> FloatArray:
        """Return probabilities of shape (n, n_classes)."""
        return self.decision.probabilities(self.logits(features))

    def describe(self) -> dict[str, Any]:
        """Return everything except the fitted arrays as plain JSON."""
        return {
            "head": describe_head(self.head),
            "decision": self.decision.to_json(),
            "network": None if self.recipe is None else describe_recipe(self.recipe),
        }

    def arrays(self) -> dict[str, AnyArray]:
        """Return the fitted arrays by name."""
        if self.recipe is not None:
            network_arrays: dict[str, AnyArray] = self.fitted.arrays()
            return network_arrays
        return solver_arrays(self.fitted)

    @classmethod
    def restore(
        cls,
        described: dict[str, Any],
        arrays: dict[str, AnyArray],
        *,
        codec: Any,
    ) -> FittedHead:
        """Build the head from the values that ``describe`` and ``arrays`` returned.

        Raises
        ------
        ValueError
            If the arrays do not match the description, or the outputs do not match ``codec``.
        """
        head, decision = make_head(described["head"]), Decision.from_json(described["decision"])
        _check_decision(decision, codec)
        if described["network"] is None:
            empty = make_head(described["head"])
            fitted = restore_solver(empty, arrays, several=decision.thresholds is not None)
            if sizes_of(fitted)[1] != codec.n_outputs:
                raise ValueError(f"expected {codec.n_outputs} outputs, got {sizes_of(fitted)[1]}")
            return cls(head, fitted, decision)
        recipe = make_recipe(head, described["network"], n_outputs=codec.n_outputs)
        return cls(head, recipe.restore(arrays), decision, recipe)

    @property
    def n_features(self) -> int | None:
        """Number of input features; None if the head accepts any number of features."""
        if self.recipe is not None:
            return sum(width for _, width in self.recipe.groups)
        return sizes_of(self.fitted)[0]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """Fitted model: predicts labels or numbers from texts.

    Attributes
    ----------
    codec : LabelCodec or NumberScale
        Converts answers to codes and back.
    features : TextFeatures
        Computes the features of rows.
    scorer : FittedHead
        Predicts probabilities or numbers from features.
    probe : Rows
        A few rows that test a saved model. A pickle contains example rows instead.
    history : History or None
        Training history of a network.
    weights : SourceWeights or None
        Weights of the source rows, if a transfer computed some.
    """

    codec: Any
    features: TextFeatures
    scorer: FittedHead
    probe: Rows
    history: History | None = None
    weights: SourceWeights | None = None

    def __repr__(self) -> str:
        parts = ", ".join(type(part).__name__ for part in (self.features.encoder, self.scorer.head))
        answers = "numbers" if self.codec.numeric else f"{self.codec.n_outputs} classes"
        return f"{type(self).__name__}({parts}, {answers})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, with example rows in place of training rows."""
        examples = example_rows(self.features.encoder, pairs=self.probe.are_pairs)
        return {**vars(self), "probe": examples}

    def rows(self, texts: Iterable[object]) -> Rows:
        """Read texts and check that they are pairs only if the training texts were pairs.

        Raises
        ------
        InputError
            If the texts cannot be used.
        """
        rows = rows_for(self.features.encoder, texts)
        if len(rows) and rows.are_pairs != self.probe.are_pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.probe.are_pairs]}, got "
                f"{kinds[rows.are_pairs]}, first {rows[0]!r}. Pass {kinds[self.probe.are_pairs]}."
            )
        return rows

    def outputs(self, texts: Iterable[object]) -> FloatArray:
        """Return probabilities (n, n_classes), or numbers on their scale (n, 1)."""
        rows = self.rows(texts)
        if len(rows) > _ROWS_AT_ONCE:
            return self._outputs_in_blocks(rows)
        # One text is encoded faster than a cache on disk is searched.
        with without_cache() if len(rows) == 1 else nullcontext():
            return self.outputs_of(self.features.transform(rows))

    def _outputs_in_blocks(self, rows: Rows) -> FloatArray:
        """Return the outputs of many rows. Only the features of one block are in memory."""
        parts = []
        with shared_progress(total=len(rows), unit="text", description="Predicting") as bar:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                block = rows[start : start + _ROWS_AT_ONCE]
                parts.append(self.outputs_of(self.features.transform(block)))
                bar.n = start + len(block)
                bar.refresh()
        return np.concatenate(parts)

    def outputs_of(self, features: Features) -> FloatArray:
        """Return the same values as ``outputs``, from the features of the texts."""
        if self.codec.numeric:
            return self.scorer.logits(features)
        return self.scorer.probabilities(features)

    def decode(self, outputs: FloatArray) -> Any:
        """Return the labels or numbers that ``outputs`` predict."""
        if self.codec.numeric:
            return self.codec.decode(outputs[:, 0])
        return self.codec.decode(self.scorer.decision.choose(outputs))

    def figures(self, outputs: FloatArray, answers: Iterable[object]) -> dict[str, float]:
        """Compute all metrics from the ``outputs`` of texts and their true answers."""
        from nlptl.evaluation.metrics import measure, measure_numbers

        if self.codec.numeric:
            return measure_numbers(self.codec.read(answers), self.decode(outputs))
        truth, chosen = self.codec.encode(answers), self.scorer.decision.choose(outputs)
        check_lengths(truth, chosen)
        figures = measure(truth, outputs, chosen)
        head = self.scorer.head
        if isinstance(head, OrdinalHead):
            ranks = head.ranks(self.codec.classes)
            figures["mean_rank_error"] = mean_rank_error(ranks[truth], ranks[chosen])
        return figures

    def errors(self, rows: Rows, outputs: FloatArray, labels: Iterable[object]) -> ErrorReport:
        """Collect the mistakes from the ``outputs`` of texts and their true labels."""
        truth, chosen = self.codec.encode(labels), self.scorer.decision.choose(outputs)
        check_lengths(truth, chosen)
        return error_report(self.codec, rows, truth, chosen, outputs)

    def class_scores(self, outputs: FloatArray, labels: Iterable[object]) -> ClassScores:
        """Compute precision, recall and F1 of each class from ``outputs`` and true labels."""
        truth, chosen = self.codec.encode(labels), self.scorer.decision.choose(outputs)
        check_lengths(truth, chosen)
        return class_scores(truth, chosen, [str(label) for label in self.codec.classes.tolist()])


def example_rows(encoder: object, *, pairs: bool) -> Rows:
    """Return a few rows of the kind that a model expects: texts or pairs, with missing numbers."""
    texts = [(text, text) for text in _EXAMPLES] if pairs else list(_EXAMPLES)
    columns = getattr(encoder, "numeric_columns", ())
    return Rows(texts, np.full((len(texts), len(columns)), np.nan) if columns else None)


def _check_decision(decision: Decision, codec: Any) -> None:
    """Check that a decision matches the number and the form of the labels."""
    several = getattr(codec, "form", "single") != "single"
    if several != (decision.thresholds is not None):
        wanted = "thresholds for several labels" if several else "no thresholds for one label"
        raise ValueError(f"expected {wanted} per text, got thresholds={decision.thresholds}")
    for part in (decision.offsets, decision.thresholds):
        if part is not None and len(part) != codec.n_outputs:
            raise ValueError(
                f"expected offsets or thresholds for {codec.n_outputs} classes, got {len(part)}"
            )

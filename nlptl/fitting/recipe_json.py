"""The recipe of a network as plain JSON, and back."""

from __future__ import annotations

from typing import Any

from nlptl.base.described import entry, make
from nlptl.base.inputs import JsonObject
from nlptl.base.protocols import ModuleHead
from nlptl.encoders.fused import ResidualFusion
from nlptl.training.networks.feature_network import NetworkRecipe


def describe_recipe(recipe: NetworkRecipe) -> dict[str, Any]:
    """Return a recipe, without its head, as plain JSON."""
    fusion = recipe.fusion
    return {
        "groups": [list(group) for group in recipe.groups],
        "n_outputs": recipe.n_outputs,
        "fusion": fusion.get_params() if isinstance(fusion, ResidualFusion) else None,
    }


def make_recipe(head: ModuleHead, described: JsonObject, *, n_outputs: int) -> NetworkRecipe:
    """Build the recipe that ``describe_recipe`` described.

    Raises
    ------
    ValueError
        If the head is no network, or the outputs are not ``n_outputs``.
    """
    options = described["fusion"]
    groups = entry(described, "groups", tuple[tuple[str, int], ...])
    fusion = None if options is None else make(ResidualFusion, options)
    if not hasattr(head, "build") or entry(described, "n_outputs", int) != n_outputs:
        raise ValueError(
            f"expected a network with {n_outputs} outputs, got {type(head).__name__} with "
            f"{described['n_outputs']} outputs"
        )
    return NetworkRecipe(head, fusion, groups, n_outputs)

import json

import pytest

from nlptl import LogisticHead, MLPHead, PrototypeHead
from nlptl.encoders.fused import ResidualFusion
from nlptl.fitting.recipe_json import describe_recipe, make_recipe
from nlptl.training.networks.feature_network import NetworkRecipe

GROUPS = (("sentence", 8), ("words", 4))


@pytest.mark.parametrize("fusion", [None, ResidualFusion(4)], ids=repr)
def test_a_recipe_comes_back_from_json(fusion):
    recipe = NetworkRecipe(MLPHead((4,)), fusion, GROUPS, 3)
    described = json.loads(json.dumps(describe_recipe(recipe)))
    assert make_recipe(recipe.head, described, n_outputs=3) == recipe


@pytest.mark.parametrize(("head", "n_outputs"), [(PrototypeHead(), 3), (MLPHead(), 2)], ids=repr)
def test_a_recipe_that_fits_nothing_is_refused(head, n_outputs):
    described = describe_recipe(NetworkRecipe(LogisticHead(), None, GROUPS, 3))
    with pytest.raises(ValueError, match="expected a network with"):
        make_recipe(head, described, n_outputs=n_outputs)

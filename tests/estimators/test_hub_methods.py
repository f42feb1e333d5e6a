import numpy as np
import pytest

from nlptl import LanguageClassifier, MultiTaskModel, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError
from nlptl.estimators.hub_methods import HubMethods

TEXTS, LABELS = ["good", "bad", "fine", "poor"] * 3, ["yes", "no", "yes", "no"] * 3


@pytest.mark.parametrize(
    "kind", [TextClassifier, TextRegressor, MultiTaskModel, LanguageClassifier]
)
def test_every_model_can_be_published_and_loaded(kind):
    assert issubclass(kind, HubMethods)


def test_a_folder_is_loaded_and_options_reach_the_publication(tmp_path):
    model = TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)
    again = TextClassifier.from_pretrained(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    plan = model.push_to_hub("user/name", about={"license": "mit"}, dry_run=True)
    assert "README.md" in [file.path for file in plan.files] and plan.commit is None
    with pytest.raises(ConfigError, match="'transformer' is not known"):
        model.push_to_hub("user/name", format="transformer", dry_run=True)

import pytest

from nlptl import TextClassifier, TextRegressor, TfidfEncoder
from nlptl.saving.saved_model import SavedClassifier, SavedModel


def names_of(protocol):
    own = {name for kind in protocol.__mro__ for name in getattr(kind, "__annotations__", {})}
    methods = {name for name, value in vars(protocol).items() if callable(value)}
    return {name for name in own | methods if not name.startswith("_")}


@pytest.mark.parametrize("kind", [TextClassifier, TextRegressor])
def test_a_fitted_model_has_all_that_saving_asks_of_it(kind, few):
    texts, labels = few
    answers = labels if kind is TextClassifier else [float(len(text)) for text in texts]
    model = kind(TfidfEncoder()).fit(texts, answers)
    protocol = SavedClassifier if kind is TextClassifier else SavedModel
    assert len(names_of(protocol)) > 10
    assert not [name for name in names_of(protocol) if not hasattr(model, name)]

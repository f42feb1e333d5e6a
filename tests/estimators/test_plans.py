import pytest

from nlptl import Auto, LoRA, RidgeHead, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError
from nlptl.estimators.plans import audit_rows, keep, plan_of
from nlptl.transfer import Frozen


def test_a_plan_has_what_the_parameters_say(tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=LoRA(rank=2), imbalance="balanced", seed=3)
    plan = plan_of(model)
    assert plan.transfers.main == LoRA(rank=2) and plan.transfers.tunes and not plan.numeric
    assert (plan.seed, plan.imbalance, plan.encoder.name_or_path) == (3, "balanced", tiny_encoder)
    numbers = plan_of(TextRegressor(TfidfEncoder(), head=RidgeHead(alpha=1.0)))
    assert numbers.numeric and numbers.head.alpha == 1.0 and numbers.imbalance is None


@pytest.mark.parametrize("transfer", ["auto", Auto()])
def test_what_the_rows_choose_is_not_in_the_plan_yet(transfer):
    assert plan_of(TextClassifier(TfidfEncoder(), transfer=transfer)).transfers.main == Frozen()


def test_an_encoder_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="a name, a folder or an encoder, got int"):
        plan_of(TextClassifier(3))


def test_a_model_keeps_what_was_fitted(few):
    texts, labels = few
    model, other = (TextClassifier(TfidfEncoder()) for _ in range(2))
    model.fit(texts, labels)
    plan = plan_of(model)
    report = audit_rows(plan, plan.rows(texts), labels)
    keep(other, model.fitted_, report)
    assert other.audit_ is report and other.notes_ == {} and other.history_ is None
    assert other.predict(texts).tolist() == model.predict(texts).tolist()

from dataclasses import replace

import numpy as np
import pytest

from nlptl import (
    FullFineTune,
    LoRA,
    Mixing,
    Task,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.estimators.tasks.joint import JointTraining
from nlptl.estimators.tasks.prepared import read_parts
from nlptl.estimators.tasks.refitting import on_all_rows
from nlptl.estimators.tasks.variants import refit_variant, variants_of


@pytest.fixture(scope="module", params=[FullFineTune(), LoRA(rank=2)], ids=["full", "lora"])
def both(tiny_encoder, support, request):
    texts, labels = support
    options = {
        "encoder": TransformerEncoder(tiny_encoder, precision="float32", cache=None),
        "transfer": request.param,
        "training": TrainingConfig(max_steps=12, batch_size=8, quiet=True),
        "device": "cpu",
    }
    tasks = {"kind": Task(), "length": Task("regression")}
    data = {"kind": (texts, labels), "length": (texts, [len(t) for t in texts])}
    joiner = JointTraining(*read_parts(tasks, data, options), Mixing(), "sum")
    return joiner, joiner.fit()


def said(fitted, texts=("a parcel", "help me")):
    from nlptl.data.rows import Rows

    return fitted.scorer.logits(fitted.features.transform(Rows(list(texts))))


def test_joint_tasks_are_the_mean_of_two_trainings_and_still_share(both):
    joiner, together = both
    kept = {"kind": "joint", "length": "joint"}
    found, joined = on_all_rows(joiner, together, together.fitted, kept)
    assert {id(own.features.encoder) for own in found.values()} == {id(joined.encoder)}
    again = joiner.on_all_rows().fit()
    name = next(iter(joined.encoder.weights.model.state_dict()))
    first, second, mean = (
        one.encoder.weights.model.state_dict()[name] for one in (together, again, joined)
    )
    np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    before, after = together.fitted["kind"].scorer, found["kind"].scorer
    assert after.decision == before.decision
    assert np.abs(said(found["kind"]) - said(together.fitted["kind"])).max() > 0


def test_a_task_alone_learns_from_all_its_rows(both):
    joiner, together = both
    variants = variants_of(joiner.parts["kind"], together, names=("joint", "alone"))
    chosen = {"kind": variants["alone"], "length": together.fitted["length"]}
    found, joined = on_all_rows(joiner, together, chosen, {"kind": "alone", "length": "joint"})
    assert joined is not together  # the other one is small too
    own = found["kind"]
    assert np.abs(said(own) - said(variants["alone"])).max() > 0
    assert own.features.encoder is not joined.encoder


def test_refitted_alone_a_task_is_what_a_model_of_its_own_would_be(both, support):
    joiner, together = both
    part = joiner.parts["kind"]
    own = TextClassifier(**part.model.get_params(deep=False)).fit(*support)
    learnt = refit_variant(part, "alone", together)
    np.testing.assert_array_equal(said(learnt), said(own.fitted_))
    assert learnt.scorer.decision == own.fitted_.scorer.decision
    assert part.model.training == own.training


def test_refitted_alone_a_task_has_a_folder_of_its_own_for_checkpoints(both, tmp_path):
    joiner, together = both
    part = joiner.parts["kind"]
    learnt = refit_variant(part, "alone", together)
    config = replace(part.body.plan.config, checkpoints=str(tmp_path))
    training = replace(part.plan.training, checkpoints=str(tmp_path), save_steps=4)
    plan = replace(part.plan, training=training)
    body = replace(part.body, plan=replace(part.body.plan, config=config))
    again = refit_variant(replace(part, plan=plan, body=body), "alone", together)
    np.testing.assert_array_equal(said(again), said(learnt))
    assert [path.name for path in tmp_path.iterdir()] == ["all-rows"]
    assert [path.name for path in tmp_path.glob("all-rows/*/*")] == ["alone"]
    assert plan.training.checkpoints == str(tmp_path)


def test_where_no_task_misses_its_rows_nothing_is_done(both):
    joiner, together = both
    parts = {}
    for name, part in joiner.parts.items():
        config = replace(part.body.plan.config, refit=False)
        body = replace(part.body, plan=replace(part.body.plan, config=config))
        parts[name] = replace(part, body=body)
    kept = dict.fromkeys(parts, "joint")
    chosen, joined = on_all_rows(replace(joiner, parts=parts), together, together.fitted, kept)
    assert joined is together
    assert all(chosen[name] is own for name, own in together.fitted.items())

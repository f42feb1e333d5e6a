from dataclasses import replace

import numpy as np
import pytest

from nlptl import FullFineTune, Mixing, Task, TrainingConfig, TransformerEncoder
from nlptl.estimators.tasks import variants
from nlptl.estimators.tasks.joint import JointTraining
from nlptl.estimators.tasks.prepared import read_parts
from nlptl.estimators.tasks.variants import (
    compare_in_main_process,
    compare_variants,
    figure_of,
    is_outweighed,
    refit_variant,
    variants_of,
)
from nlptl.evaluation.verdict import HELPS, HURTS, KEEP_IF_HELPS, NOT_COMPARED, UNCLEAR
from nlptl.heads.calibration.decision import Decision


@pytest.fixture(scope="module")
def both(tiny_encoder, support):
    texts, labels = support
    options = {
        "encoder": TransformerEncoder(tiny_encoder, precision="float32", cache=None),
        "transfer": FullFineTune(),
        "training": TrainingConfig(max_steps=20, batch_size=8, quiet=True),
        "device": "cpu",
    }
    tasks = {"kind": Task(), "length": Task("regression", metric="rmse")}
    data = {"kind": (texts, labels), "length": (texts, [len(t) for t in texts])}
    parts, readings = read_parts(tasks, data, options)
    return parts, JointTraining(parts, readings, Mixing(), "sum").fit()


def test_alone_a_task_takes_as_many_steps_as_it_took_with_others(both):
    parts, together = both
    found = variants_of(parts["kind"], together)
    assert list(found) == ["joint", "frozen", "polished", "alone"]
    alone = found["alone"].scorer.history
    assert len(alone.steps) == together.steps["kind"] < 20
    polished = found["polished"].scorer.history
    assert len(polished.steps) == -(-len(parts["kind"].seen[0]) // 8)
    assert found["polished"].features.encoder.weights is not together.encoder.weights


def test_polishing_goes_on_from_the_joint_encoder_and_leaves_it_as_it_is(both):
    parts, together = both
    before = together.encoder.transform(["a parcel"])
    found = variants_of(parts["kind"], together, names=("joint", "polished"))
    np.testing.assert_array_equal(together.encoder.transform(["a parcel"]), before)
    after = found["polished"].features.encoder.transform(["a parcel"])
    plain = parts["kind"].body.encoder.transform(["a parcel"])
    assert 0 < np.abs(after - before).max() < np.abs(after - plain).max()


def test_a_small_task_is_outweighed_by_others_of_ten_times_its_rows(both):
    parts, _together = both
    part = parts["kind"]
    assert not is_outweighed(part, parts)
    others = {str(n): part for n in range(9)}
    assert not is_outweighed(part, {"kind": part, **others})
    assert is_outweighed(part, {"kind": part, "ten": part, **others})
    config = replace(part.body.plan.config, refit=False)
    body = replace(part.body, plan=replace(part.body.plan, config=config))
    assert not is_outweighed(replace(part, body=body), {"kind": part, "ten": part, **others})


def test_few_rows_held_out_have_to_speak_clearly_against_a_task_alone(both, monkeypatch):
    parts, _together = both
    part = parts["kind"]
    n_rows = len(part.held[0])

    def variant(n_right):
        return lambda rows: float((np.arange(n_rows) < n_right)[rows].mean())

    monkeypatch.setattr(variants, "figure_of", lambda part, figure: figure)
    some = {"joint": variant(n_rows // 2 + 1), "alone": variant(n_rows // 2)}
    assert compare_variants(part, some, seed=0).kept == "joint"
    lucky = compare_variants(part, some, seed=0, keep=KEEP_IF_HELPS)
    assert lucky.kept == "alone" and lucky.figures["joint"] > lucky.figures["alone"]
    clear = {"joint": variant(n_rows), "alone": variant(n_rows // 2)}
    assert compare_variants(part, clear, seed=0, keep=KEEP_IF_HELPS).kept == "joint"
    many = {str(n): part for n in range(11)}
    assert compare_in_main_process(part, some, seed=0, parts=many).kept == "alone"
    assert compare_in_main_process(part, some, seed=0).kept == "joint"


def test_frozen_a_task_has_a_head_on_the_encoder_as_it_came(both):
    parts, together = both
    part = parts["kind"]
    found = variants_of(part, together, names=("joint", "frozen"))["frozen"]
    assert found.features.encoder.folder == part.body.encoder.folder
    assert found.features.encoder.weights is None
    learnt = refit_variant(part, "frozen", together)
    assert len(part.training_data.rows) > len(part.seen[0])
    held = part.held[0]
    apart = learnt.scorer.logits(learnt.features.transform(held)) - found.scorer.logits(
        found.features.transform(held)
    )
    assert np.abs(apart).max() > 1e-4  # it has learnt from the rows held out, too


def spoiled(fitted):
    """The same, with logits turned round."""
    return replace(fitted, scorer=replace(fitted.scorer, decision=Decision(temperature=-1.0)))


def test_the_best_on_rows_held_out_is_kept_and_harm_is_called_by_its_name(both):
    parts, _together = both
    part, good = parts["kind"], parts["kind"].first
    bad = spoiled(good)
    hurt = compare_variants(part, {"joint": bad, "polished": bad, "alone": good}, seed=0)
    assert hurt.kept == "alone" and hurt.outcome == HURTS and hurt.gains["joint"].high < 0
    helped = compare_variants(part, {"joint": good, "polished": bad, "alone": bad}, seed=0)
    assert helped.kept == "joint" and helped.outcome == HELPS
    same = compare_variants(part, {"joint": good, "polished": good, "alone": good}, seed=0)
    assert same.kept == "joint" and same.outcome == UNCLEAR
    assert same.n_rows == len(part.held[0])


def test_where_less_is_better_a_lower_figure_is_a_gain(both):
    parts, together = both
    found = variants_of(parts["length"], together, names=("joint", "alone"))
    verdict = compare_variants(parts["length"], found, seed=0)
    gain = verdict.gains["joint"]
    assert gain.value == pytest.approx(verdict.figures["alone"] - verdict.figures["joint"])
    assert gain.low <= gain.value <= gain.high
    assert verdict.figures[verdict.kept] == min(verdict.figures.values())


def test_without_rows_held_out_the_joint_one_is_kept(both):
    parts, _together = both
    part = replace(parts["kind"], held=None)
    verdict = compare_variants(part, {"joint": part.first, "alone": part.first}, seed=0)
    assert verdict.kept == "joint" and verdict.n_rows == 0 and verdict.outcome == NOT_COMPARED
    with pytest.raises(ValueError, match="kind"):
        figure_of(part, part.first)

import pytest
import torch

from nlptl.base.transfer import Stage
from nlptl.training.config import LoopConfig
from nlptl.training.optimizers import (
    Schedule,
    make_optimizer,
    moments,
    rate_share,
    restore_moments,
    set_rate,
)


def same(model):
    return dict.fromkeys((name for name, _ in model.named_parameters()), 1.0)


def test_biases_do_not_decay():
    config = LoopConfig(weight_decay=0.3)
    model = torch.nn.Linear(5, 2)
    groups = make_optimizer(model, same(model), config).param_groups
    assert [(g["weight_decay"], g["params"][0].ndim) for g in groups] == [(0.3, 2), (0.0, 1)]


def test_parts_learn_at_rates_of_their_own_and_frozen_parts_not_at_all():
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    model[0].requires_grad_(False)
    optimizer = make_optimizer(
        model,
        {"1.weight": 0.1, "1.bias": 0.1, "2.weight": 1.0, "2.bias": 1.0},
        LoopConfig(learning_rate=0.5),
    )
    set_rate(optimizer, 0.5)
    rates = {id(w): group["lr"] for group in optimizer.param_groups for w in group["params"]}
    assert {rates[id(w)] for w in model[1].parameters()} == {0.025}
    assert {rates[id(w)] for w in model[2].parameters()} == {0.25}
    assert not any(id(w) in rates for w in model[0].parameters())


@pytest.mark.parametrize(
    ("schedule", "last"),
    [("linear", 0.125), ("cosine", 0.038), ("constant", 1.0), ("slanted", 0.152)],
)
def test_the_rate_rises_and_falls(schedule, last):
    config = LoopConfig(warmup_share=0.2, schedule=schedule)
    rates = [rate_share(step, 10, config) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(last, abs=1e-3)


def test_a_schedule_of_one_step_moves():
    assert rate_share(0, 1, LoopConfig()) == 1.0


def test_stages_share_the_steps_and_go_on_with_the_schedule_before_them():
    config = LoopConfig(epochs=2, warmup_share=0.5)
    stages = [Stage("head", 1.0), Stage("rest", 3.0, fresh_schedule=False), Stage("last", 1.0)]
    schedule = Schedule.of(stages, config, epoch_lengths=[4, 10, 7])
    assert schedule.lengths == [4, 12, 4]
    joined = [rate_share(step, 16, config) for step in range(16)]
    assert [schedule.rate_share(0, step) for step in range(4)] == joined[:4]
    assert [schedule.rate_share(1, step) for step in range(12)] == joined[4:]
    assert schedule.rate_share(2, 0) == rate_share(0, 4, config)
    few = Schedule.of(stages, LoopConfig(max_steps=5), epoch_lengths=[10, 10, 10])
    assert few.lengths == [1, 3, 1]


def test_a_stage_with_its_own_steps_has_them_in_addition():
    stages = [Stage("head", steps=7), Stage("first", 1.0), Stage("second", 3.0)]
    config = LoopConfig(epochs=2)
    # The long epoch of the first stage does not count for the others.
    assert Schedule.of(stages, config, epoch_lengths=[900, 10, 6]).lengths == [7, 5, 15]
    limited = LoopConfig(max_steps=4)
    assert Schedule.of(stages, limited, epoch_lengths=[900, 10, 6]).lengths == [7, 1, 3]
    assert Schedule.of(stages[:1], config, epoch_lengths=[900]).lengths == [7]


def trained(steps, optimizer, model):
    for _ in range(steps):
        model(torch.ones(2, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_moments_are_given_back():
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 2)
    optimizer = make_optimizer(model, same(model), LoopConfig(learning_rate=0.01))
    trained(3, optimizer, model)
    kept = {name: part.clone() for name, part in moments(optimizer, ["weight", "bias"]).items()}
    assert {"exp_avg:weight", "exp_avg_sq:bias", "step:weight"} <= set(kept)
    start = {name: part.clone() for name, part in model.state_dict().items()}
    trained(3, optimizer, model)
    wanted = model.weight.detach().clone()
    model.load_state_dict(start)
    fresh = make_optimizer(model, same(model), LoopConfig(learning_rate=0.01))
    restore_moments(fresh, ["weight", "bias"], kept)
    trained(3, fresh, model)
    assert torch.equal(model.weight, wanted)

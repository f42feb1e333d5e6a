import pytest
import torch

from nlptl import TrainingConfig
from nlptl.base.chance import torch_seed
from nlptl.base.errors import InputError
from nlptl.training.loop import Learner, make_accelerator, place, train

X = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def batches(epoch):
    return [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 64, 16)]


def loss_of(model, batch):
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])


def run(score=None, **options):
    with torch_seed(0):
        model = torch.nn.Linear(5, 2)
    config = TrainingConfig(**{"epochs": 5, "learning_rate": 0.1, **options})
    history = train(
        Learner(model),
        batches,
        loss_of=loss_of,
        config=config,
        accelerator=make_accelerator("cpu"),
        score=score,
    )
    return model, history


def test_the_loss_falls_and_is_written_down():
    model, history = run()
    assert len(history.losses) == 5
    assert history.losses[-1] < history.losses[0] / 2
    assert (model(X).argmax(dim=1) == Y).float().mean() > 0.95


def test_the_same_start_gives_the_same_end():
    first, second = run()[0], run()[0]
    assert torch.equal(first.weight, second.weight)


def test_the_best_weights_are_kept_and_training_stops_early():
    seen = []

    def score(model):
        seen.append(model.weight.detach().clone())
        return {0: 1.0, 1: 3.0}.get(len(seen) - 1, 2.0)

    model, history = run(score, epochs=20, patience=3)
    assert history.best_epoch == 2
    assert len(history.losses) == 5
    assert torch.equal(model.weight, seen[1])


def test_large_gradients_are_clipped(monkeypatch):
    from nlptl.training import loop

    # Adam divides by the size of the gradient; plain descent shows it.
    monkeypatch.setattr(
        loop,
        "_optimizer",
        lambda learner, config: torch.optim.SGD(learner.module.parameters(), lr=1.0),
    )
    with torch_seed(0):
        start = torch.nn.Linear(5, 2).weight.detach()
    steps = len(list(batches(0)))
    far, _ = run(epochs=1, clip_norm=1e9)
    near, _ = run(epochs=1, clip_norm=1e-3)
    assert (near.weight - start).norm() <= steps * 1e-3
    assert (far.weight - start).norm() > steps * 1e-2


def test_biases_do_not_decay():
    from nlptl.training.loop import _optimizer

    groups = _optimizer(
        Learner(torch.nn.Linear(5, 2)), TrainingConfig(weight_decay=0.3)
    ).param_groups
    assert [(g["weight_decay"], g["params"][0].ndim) for g in groups] == [(0.3, 2), (0.0, 1)]


def test_the_rate_rises_and_falls():
    from nlptl.training.loop import _optimizer, _schedule

    optimizer = _optimizer(Learner(torch.nn.Linear(2, 2)), TrainingConfig(learning_rate=1.0))
    schedule = _schedule(optimizer, TrainingConfig(warmup_share=0.2, learning_rate=1.0), 10)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:2] == [0.5, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.2
    assert schedule.get_last_lr()[0] == 0.0


def test_nothing_to_train_on_is_named():
    with pytest.raises(InputError, match="0 rows"):
        train(
            Learner(torch.nn.Linear(5, 2)),
            lambda epoch: [],
            loss_of=loss_of,
            config=TrainingConfig(),
            accelerator=make_accelerator("cpu"),
        )


def test_asking_for_the_processor_makes_the_state_anew(monkeypatch):
    from accelerate.state import PartialState

    make_accelerator(None)
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("cuda"))
    found = make_accelerator("cpu")
    assert found.device.type == "cpu"
    assert place(found, None).type == "cpu"
    assert str(place(found, "cuda:1")) == "cuda:1"


def test_parts_learn_at_rates_of_their_own_and_frozen_parts_not_at_all():
    from nlptl.training.loop import _optimizer

    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    model[0].requires_grad_(False)
    learner = Learner(model, rate_of=lambda name: 0.1 if name.startswith("1.") else 1.0)
    groups = _optimizer(learner, TrainingConfig(learning_rate=0.5)).param_groups
    rates = {id(w): group["lr"] for group in groups for w in group["params"]}
    assert {rates[id(w)] for w in model[1].parameters()} == {0.05}
    assert {rates[id(w)] for w in model[2].parameters()} == {0.5}
    assert not any(id(w) in rates for w in model[0].parameters())


def test_half_precision_computes_in_bfloat16_where_there_is_some(monkeypatch):
    from nlptl.training import loop

    monkeypatch.setattr(loop, "has_bfloat16", lambda device: True)
    seen = []

    def loss(model, batch):
        logits = model(batch[0])
        seen.append(logits.dtype)
        return torch.nn.functional.cross_entropy(logits.float(), batch[1])

    for half, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        model = torch.nn.Linear(5, 2)
        train(
            Learner(model, half=half),
            batches,
            loss_of=loss,
            config=TrainingConfig(epochs=1),
            accelerator=make_accelerator("cpu"),
        )
        assert seen[-1] == dtype
        assert model.weight.dtype == torch.float32

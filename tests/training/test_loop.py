import dataclasses
import hashlib
import logging
import math
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from nlptl import MLPHead
from nlptl.base.chance import Chance, torch_seed
from nlptl.base.errors import InputError
from nlptl.base.transfer import Stage
from nlptl.data.targets import Targets
from nlptl.training import loop
from nlptl.training.checkpoints import Keeper
from nlptl.training.config import LoopConfig
from nlptl.training.loop import Learner, train
from nlptl.training.networks.feature_network import NetworkRecipe, fit_network
from nlptl.training.processes import make_accelerator
from nlptl.training.weights.averaging import Average

X = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Feed:
    """Four steps of 16 rows, each in ``cuts`` passes."""

    def __init__(self, cuts=1, steps=4):
        self.cuts, self.steps, self.asked = cuts, steps, []

    def __len__(self):
        return self.steps

    def passes(self, epoch, step):
        self.asked.append((epoch, step))
        rows = torch.arange(16) + 16 * step
        return [(X[part], Y[part], 1 / 16) for part in rows.chunk(self.cuts)]


class Objective(torch.nn.Module):
    def __init__(self, model, dropout=0.0):
        super().__init__()
        self.network, self.dropout = model, torch.nn.Dropout(dropout)
        self.seen, self.progress = [], []

    def forward(self, batch, progress):
        self.progress.append(progress)
        logits = self.network(self.dropout(batch[0]))
        self.seen.append(logits.dtype)
        losses = torch.nn.functional.cross_entropy(logits.float(), batch[1], reduction="none")
        return losses.sum() * batch[2]


def objective(dropout=0.0):
    with torch_seed(0):
        return Objective(torch.nn.Linear(5, 2), dropout)


def run(score=None, *, module=None, stages=None, keeper=None, half=False, **options):
    module = module or objective()
    config = LoopConfig(**{"epochs": 5, "learning_rate": 0.1, "quiet": True, **options})
    history = train(
        Learner(module, stages or [(Stage(), Feed())], half=half),
        config=config,
        accelerator=make_accelerator("cpu", config),
        chance=Chance(1),
        score=score,
        keeper=keeper,
    )
    return module.network, history


def digest(model):
    parts = [w.detach().numpy().tobytes() for w in model.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_loss_falls_and_is_written_down():
    model, history = run()
    assert len(history.losses) == 5 and len(history.steps) == 20
    assert history.losses[-1] == pytest.approx(sum(history.steps[-4:]) / 4)
    assert history.losses[-1] < history.losses[0] / 2
    assert (model(X).argmax(dim=1) == Y).float().mean() > 0.95


def test_the_same_start_gives_the_same_end():
    assert digest(run()[0]) == digest(run()[0])


def test_the_best_weights_are_kept_and_training_stops_early():
    seen = []

    def score(module):
        seen.append(module.network.weight.detach().clone())
        return {0: 1.0, 1: 3.0}.get(len(seen) - 1, 2.0)

    model, history = run(score, epochs=20, patience=3)
    assert history.best_epoch == 2
    assert len(history.losses) == 5
    assert torch.equal(model.weight, seen[1])


def test_large_gradients_are_clipped(monkeypatch):
    from nlptl.training import loop

    # Adam divides by the size of the gradient; plain descent shows it.
    def descent(module, rates, config):
        return torch.optim.SGD([{"params": module.parameters(), "peak": 1.0}], lr=1.0)

    monkeypatch.setattr(loop, "make_optimizer", descent)
    start = objective().network.weight.detach()
    far, _ = run(epochs=1, clip_norm=1e9)
    near, _ = run(epochs=1, clip_norm=1e-3)
    assert (near.weight - start).norm() <= 4 * 1e-3
    assert (far.weight - start).norm() > 4 * 1e-2


def test_passes_of_a_step_add_up_to_the_step():
    whole, history = run()
    for cuts in (2, 16):
        cut, again = run(stages=[(Stage(), Feed(cuts))])
        torch.testing.assert_close(cut.weight, whole.weight, rtol=1e-4, atol=1e-5)
        assert again.steps == pytest.approx(history.steps, rel=1e-4)


def test_steps_can_be_counted_instead_of_epochs():
    _, history = run(max_steps=6)
    assert len(history.steps) == 6
    assert len(history.losses) == 2


def test_nothing_to_train_on_is_named():
    with pytest.raises(InputError, match="0 rows"):
        run(stages=[(Stage(), Feed(steps=0))])


@pytest.mark.parametrize(
    ("precision", "half", "dtype"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
    ],
)
def test_the_forward_pass_computes_in_the_numbers_asked_for(monkeypatch, precision, half, dtype):
    from nlptl.training import loop

    monkeypatch.setattr(loop, "has_bfloat16", lambda device: True)
    module = objective()
    model, _ = run(module=module, half=half, precision=precision, epochs=1)
    assert set(module.seen) == {dtype}
    assert model.weight.dtype == torch.float32


def biases(names):
    return [name for name in names if name.endswith("bias")]


def test_stages_train_what_they_say_and_share_the_steps():
    module = objective()
    start = {name: w.detach().clone() for name, w in module.named_parameters()}
    bias, both = Feed(), Feed()
    seen = {}

    class Spy(Feed):
        def passes(self, epoch, step):
            if (epoch, step) == (0, 0):
                seen.update({n: w.detach().clone() for n, w in module.named_parameters()})
            return super().passes(epoch, step)

    both = Spy()
    stages = [
        (Stage("bias", 0.25, trains=biases), bias),
        (Stage("both", 0.75), both),
    ]
    run(module=module, stages=stages, epochs=4)
    assert len(bias.asked) == 4 and len(both.asked) == 12
    assert torch.equal(seen["network.weight"], start["network.weight"])
    assert not torch.equal(seen["network.bias"], start["network.bias"])
    assert not torch.equal(module.network.weight, start["network.weight"])
    assert module.progress == sorted(module.progress)
    assert module.progress[0] == 0.0 and module.progress[-1] < 1.0
    assert all(w.requires_grad for w in module.parameters())


def test_a_stage_may_go_on_along_the_schedule(monkeypatch):
    from nlptl.training import loop

    for fresh, rises in ((True, 2), (False, 1)):
        shares = []
        monkeypatch.setattr(loop, "set_rate", lambda _, share, kept=shares: kept.append(share))
        stages = [(Stage(), Feed()), (Stage(fresh_schedule=fresh), Feed())]
        run(stages=stages, epochs=10, warmup_share=0.2)
        assert len(shares) == 40
        assert sum(a < b for a, b in zip([0, *shares], shares, strict=False)) == rises * (
            4 if fresh else 8
        )


def test_frozen_weights_stay_frozen_in_every_stage():
    module = objective()
    module.network.bias.requires_grad_(False)
    bias = module.network.bias.detach().clone()
    run(module=module, stages=[(Stage(), Feed()), (Stage(), Feed())])
    assert torch.equal(module.network.bias, bias)
    assert not module.network.bias.requires_grad


def test_the_tail_of_the_weights_is_averaged(monkeypatch):
    from nlptl.training import loop

    seen = []
    real = loop.Average.take_in

    def spy(self, weights, progress):
        seen.append((progress, weights["network.weight"].clone()))
        real(self, weights, progress)

    monkeypatch.setattr(loop.Average, "take_in", spy)
    model, _ = run(average="tail", epochs=6)
    tail = [weight for progress, weight in seen if progress > 2 / 3 + 1e-9]
    assert len(tail) == 8
    torch.testing.assert_close(model.weight.detach(), torch.stack(tail).mean(dim=0))


def test_held_out_rows_are_scored_with_the_averaged_weights():
    scored = []
    model, _ = run(
        lambda module: scored.append(module.network.weight.detach().clone()) or len(scored),
        average="ema",
    )
    assert torch.equal(model.weight, scored[-1])
    plain, _ = run()
    assert not torch.equal(model.weight, plain.weight)


class Killed(Exception):
    pass


class Dies(Feed):
    def __init__(self, at, cuts=1):
        super().__init__(cuts)
        self.left = at

    def passes(self, epoch, step):
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().passes(epoch, step)


@pytest.mark.parametrize("average", [None, "ema", "tail"])
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("at", [0, 5, 9, 15, 19])
def test_a_run_that_was_killed_ends_as_if_it_was_not(tmp_path, at, scored, average):
    def score(module):
        return -float((module.network(X)[:, 0] - 1).abs().mean())

    options = {
        "average": average,
        "score": score if scored else None,
        "max_steps": 19,
        "save_steps": 2,
    }
    two = [(Stage(trains=biases), Feed(2)), (Stage(), Feed(2))]
    whole, history = run(module=objective(0.3), stages=two, **options)
    keeper = Keeper(tmp_path / "kept", 2, {"data": "a"})
    dying = [(Stage(trains=biases), Dies(at, 2)), (Stage(), Dies(at - 10, 2))]
    if at < 19:
        with pytest.raises(Killed):
            run(module=objective(0.3), stages=dying, keeper=keeper, **options)
    again, resumed = run(module=objective(0.3), stages=two, keeper=keeper, **options)
    assert digest(again) == digest(whole)
    assert resumed.steps == history.steps
    assert resumed.scores == history.scores
    assert resumed.resumed_from == {0: 0, 5: 4, 9: 8, 15: 14, 19: 0}[at]


class Interrupted(Feed):
    """Ctrl-C comes while a step is computed."""

    def passes(self, epoch, step):
        if step == 2 and epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return super().passes(epoch, step)


@pytest.fixture
def interrupts():
    """Ctrl-C is an error, also where the tests run in the background and would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("average", [None, "ema"])
def test_an_interruption_leaves_a_checkpoint_and_the_run_goes_on_bit_equal(
    tmp_path, average, interrupts
):
    options = {"max_steps": 16, "average": average}
    whole, history = run(module=objective(0.3), **options)
    keeper = Keeper(tmp_path / "kept", 1000, {})
    stages = [(Stage(), Interrupted())]
    with pytest.raises(KeyboardInterrupt):
        run(module=objective(0.3), stages=stages, keeper=keeper, **options)
    again, resumed = run(module=objective(0.3), keeper=keeper, **options)
    assert resumed.resumed_from == 7
    assert digest(again) == digest(whole)
    assert resumed.steps == history.steps


def test_without_checkpoints_an_interruption_ends_the_run_at_once(interrupts):
    feed = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(module=objective(0.3), stages=[(Stage(), feed)], max_steps=16)
    assert len(feed.asked) == 6


def test_a_finished_run_is_not_trained_again(tmp_path):
    keeper = Keeper(tmp_path / "kept", 4)
    whole, history = run(keeper=keeper)
    feed = Feed()
    again, resumed = run(keeper=keeper, stages=[(Stage(), feed)])
    assert digest(again) == digest(whole)
    assert not feed.asked
    assert dataclasses.replace(resumed, resumed_from=0) == history


def test_figures_go_to_a_tracker():
    from accelerate.tracking import GeneralTracker

    told = []

    class Tracker(GeneralTracker):
        name, requires_logging_directory, main_process_only = "ours", False, True

        @property
        def tracker(self):
            return told

        def store_init_configuration(self, values):
            pass

        def log(self, values, step=None, **kwargs):
            told.append((step, values))

    _, history = run(lambda module: 0.5, log_with=Tracker(), epochs=3)
    losses = {step: values["loss"] for step, values in told if "loss" in values}
    assert list(losses) == list(range(1, 13))
    assert list(losses.values()) == history.steps
    assert sum("score" in values for _, values in told) == 3


def test_a_bar_shows_the_loss(monkeypatch):
    from nlptl.training import loop

    shown = []
    real = loop.progress_bar

    def spy(**options):
        bar = real(**options)
        monkeypatch.setattr(bar, "set_postfix", lambda told, **_: shown.append(told), raising=False)
        return bar

    monkeypatch.setattr(loop, "progress_bar", spy)
    _, history = run(lambda module: 0.25)
    assert shown[-1] == {"loss": f"{history.steps[-1]:.3f}", "score": "0.250"}
    assert all(math.isfinite(loss) for loss in history.steps)


def test_two_trainings_at_once_end_as_each_does_alone():
    """Both begin every step together, so that without turns their dropout would mix."""
    together = Barrier(2)

    class Waiting(Feed):
        def passes(self, epoch, step):
            together.wait()
            return super().passes(epoch, step)

    def dropping(seed, feed):
        module = objective(0.5)
        config = LoopConfig(epochs=5, learning_rate=0.1, quiet=True)
        accelerator = make_accelerator("cpu", config)
        learner = Learner(module, [(Stage(), feed)])
        train(learner, config=config, accelerator=accelerator, chance=Chance(seed))
        return digest(module.network)

    before = torch.get_rng_state()
    alone = [dropping(seed, Feed()) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        at_once = list(pool.map(dropping, (0, 1), (Waiting(), Waiting())))
    assert at_once == alone and alone[0] != alone[1]
    assert torch.equal(torch.get_rng_state(), before)


def converging(least):
    """Return a function that ends a stage when the mean loss is below a number."""
    return lambda losses: sum(losses[-10:]) / 10 < least


def staged(head_ends=None, **options):
    return [
        (Stage("head", steps=30, ends=head_ends, prepares=True, **options), Feed()),
        (Stage("all"), Feed()),
    ]


def test_a_stage_ends_early_at_a_tenth_step_and_the_next_one_is_complete():
    asked = []

    def ends(losses):
        asked.append(list(losses))
        return len(losses) == 20

    _, history = run(stages=staged(ends), epochs=3)
    assert [len(losses) for losses in asked] == [10, 20]
    assert asked[1] == history.steps[:20]
    assert len(history.steps) == 20 + 12
    never = run(stages=staged(lambda _: False), epochs=3)[1]
    assert len(never.steps) == 30 + 12


def test_epochs_of_a_stage_that_prepares_are_neither_scored_nor_counted():
    scored = []

    def score(module):
        scored.append(1.0)
        return float(len(scored))

    _, history = run(score, stages=staged(), epochs=3)
    assert len(history.losses) == len(history.scores) == len(scored) == 3
    assert history.best_epoch == 3
    assert len(history.steps) == 30 + 12


def test_figures_are_recorded_at_the_start_and_after_each_stage():
    module, counts = objective(), []

    def figures():
        counts.append(1)
        return {"bias": float(module.network.bias.detach().abs().sum()), "n": float(len(counts))}

    config = LoopConfig(epochs=2, learning_rate=0.1, quiet=True)
    start = float(module.network.bias.detach().abs().sum())
    learner = Learner(module, staged(), figures=figures)
    history = train(
        learner, config=config, accelerator=make_accelerator("cpu", config), chance=Chance(1)
    )
    assert history.figures["n"] == [1.0, 2.0, 3.0]
    assert history.figures["bias"][0] == start
    assert history.figures["bias"][2] == float(module.network.bias.detach().abs().sum())
    assert len(set(history.figures["bias"])) == 3


def test_figures_are_recorded_once_when_training_stops_early():
    learner = Learner(objective(), [(Stage(), Feed())], figures=lambda: {"n": 0.0})
    config = LoopConfig(epochs=9, patience=2, learning_rate=0.1, quiet=True)
    history = train(
        learner,
        config=config,
        accelerator=make_accelerator("cpu", config),
        chance=Chance(1),
        score=lambda _: 1.0,
    )
    assert len(history.scores) == 3
    assert history.figures == {"n": [0.0, 0.0]}


@pytest.mark.parametrize("at", [0, 4, 9, 10, 13, 19, 20, 21, 27, 31])
def test_a_run_with_stages_that_end_early_resumes_exactly(tmp_path, at):
    class Dying(Feed):
        left = at

        def passes(self, epoch, step):
            if Dying.left == 0:
                raise Killed
            Dying.left -= 1
            return super().passes(epoch, step)

    def go(feeds, keeper):
        module = objective(dropout=0.3)
        learner = Learner(
            module,
            [
                (Stage("head", steps=40, ends=lambda ls: len(ls) >= 20, prepares=True), feeds[0]),
                (Stage("all"), feeds[1]),
            ],
            figures=lambda: {"bias": float(module.network.bias.detach().abs().sum())},
        )
        config = LoopConfig(epochs=3, learning_rate=0.1, quiet=True)
        history = train(
            learner,
            config=config,
            accelerator=make_accelerator("cpu", config),
            chance=Chance(1),
            keeper=keeper,
        )
        return digest(module.network), history, module.progress

    whole, expected, progress = go([Feed(), Feed()], None)
    keeper = Keeper(tmp_path, 3, {"a": 1})
    with pytest.raises(Killed):
        go([Dying(), Dying()], keeper)
    resumed, history, later = go([Feed(), Feed()], Keeper(tmp_path, 3, {"a": 1}))
    assert resumed == whole
    assert history.steps == expected.steps and history.figures == expected.figures
    assert later == progress[len(progress) - len(later) :]


@pytest.mark.parametrize("scored", [False, True])
def test_each_epoch_is_logged_with_its_loss_and_score(caplog, scored):
    with caplog.at_level(logging.INFO, logger="nlptl"):
        _, history = run((lambda _: 0.25) if scored else None, epochs=2)
    losses = [f"Epoch {epoch}: loss {loss:.3f}" for epoch, loss in enumerate(history.losses, 1)]
    assert caplog.messages == [f"{line}, score 0.250" if scored else line for line in losses]
    assert {record.name for record in caplog.records} == {"nlptl.training.loop"}


def test_epochs_of_a_head_on_features_are_not_logged(caplog, clouds):
    X, y = clouds
    recipe = NetworkRecipe(MLPHead((4,)), None, (("a", 12),), 3)
    with caplog.at_level(logging.INFO, logger="nlptl"):
        fit_network(recipe, X, Targets(y, 3), config=LoopConfig(epochs=2), seed=0, device="cpu")
    assert not caplog.messages


def test_a_stage_leaves_no_optimiser_of_an_earlier_one():
    """In float16, accelerate would divide the gradients by the scale once per optimiser."""
    config = LoopConfig(epochs=1, learning_rate=0.1, quiet=True)
    accelerator = make_accelerator("cpu", config)
    learner = Learner(objective(), [(Stage(), Feed()) for _ in range(3)])
    train(learner, config=config, accelerator=accelerator, chance=Chance(1))
    assert len(accelerator._optimizers) == 1


def test_steps_of_a_stage_that_prepares_are_no_progress_and_are_not_averaged():
    module = objective()
    stages = [(Stage("head", steps=30, prepares=True), Feed()), (Stage(), Feed())]
    run(module=module, stages=stages, average="tail")
    assert module.progress[:30] == [0.0] * 30 and module.progress[30:32] == [0.0, 1 / 20]
    taken = []

    class Counted(Average):
        def take_in(self, weights, share):
            taken.append(share)
            super().take_in(weights, share)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Average", Counted)
        run(
            stages=[(Stage("head", steps=30, prepares=True), Feed()), (Stage(), Feed())],
            average="ema",
        )
    assert len(taken) == 20 and taken[-1] == 1.0


def test_patience_begins_with_the_stage_that_can_end_the_training():
    scores = iter([5.0, *[1.0] * 40])
    stages = [(Stage(f"part {i}", 1 / 80), Feed()) for i in range(6)]
    stages.append((Stage("all", 74 / 80), Feed()))
    _, history = run(lambda _: next(scores), stages=stages, patience=3, epochs=20)
    assert history.best_epoch == 1 and len(history.losses) == 6 + 3

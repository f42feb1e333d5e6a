import pytest
import torch
from torch import distributed, multiprocessing

from nlptl.training.networks.gather import from_all


def loss_of(rows):
    """A loss in which every row meets every other."""
    return torch.softmax(rows @ rows.T, dim=1).square().sum()


def one_process(rank, address, lengths, rows, found):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=len(lengths))
    own = rows.split(lengths)[rank].clone().requires_grad_(True)
    whole = from_all(own)
    loss_of(whole).backward()
    found[rank] = (whole.detach(), own.grad / len(lengths))  # DDP averages over processes
    distributed.destroy_process_group()


@pytest.mark.slow
def test_gradients_over_processes_are_those_of_one(tmp_path):
    torch.manual_seed(0)
    rows, lengths = torch.randn(7, 3), [4, 3]
    with multiprocessing.Manager() as manager:
        found = manager.dict()
        given = (f"file://{tmp_path / 'meeting'}", lengths, rows, found)
        multiprocessing.spawn(one_process, given, nprocs=len(lengths))
        found = dict(found)
    alone = rows.clone().requires_grad_(True)
    loss_of(alone).backward()
    for rank in (0, 1):
        assert torch.equal(found[rank][0], rows)
    torch.testing.assert_close(torch.cat([found[0][1], found[1][1]]), alone.grad)


def test_alone_rows_stay_as_they_are():
    rows = torch.randn(3, 2, requires_grad=True)
    assert from_all(rows) is rows

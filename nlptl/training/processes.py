"""The processes and the device of a run: who is there, whose rows are whose, where to compute."""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, ElsewhereError, InputError, NlptlError
from nlptl.encoders.contextual.loaded import default_device
from nlptl.training.config import LoopConfig

Answer = TypeVar("Answer")

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RUNS = "runs"  # where trackers that write files do
_PATIENCE = timedelta(days=7)  # torch gives up after half an hour; a part may take longer


@dataclass(frozen=True)
class World:
    """One process among those that were started together.

    Attributes
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    """

    rank: int
    size: int


def world() -> World:
    """Find this process among those of the launch; nothing is started where there was none."""
    if not any(os.environ.get(name) for name in _SIZES):
        return World(0, 1)
    state = _state()
    return World(int(state.process_index), int(state.num_processes))


def is_main() -> bool:
    """Tell whether this is the process that writes and speaks for all."""
    return world().rank == 0


def check_world(processes: int | None = None) -> World:
    """Give the world, after a look at whether it is the one that was asked for.

    Parameters
    ----------
    processes : int, optional
        How many processes the user wants; None believes the launcher.

    Raises
    ------
    ConfigError
        If another number of processes really runs.
    ElsewhereError
        The same, in processes that leave it to the first one to say so.
    """
    found = world()
    told = next((int(os.environ[name]) for name in _SIZES if os.environ.get(name)), 1)
    if told != found.size:
        if os.environ.get("RANK", "0") != "0":
            raise ElsewhereError(f"{told} processes know nothing of each other.")
        raise ConfigError(
            f"{told} processes were started, but they do not know of each other: each would do "
            f"all of the work and write the same files. {_how_to(told)}"
        )
    if processes is None and _launched_alone():
        raise ConfigError(
            f"More than one process was asked for, but {found.size} runs: accelerate starts one "
            f"with --cpu. {_how_to(2)} If one is what you want, say so with processes: 1."
        )
    if processes is not None and processes != found.size:
        if found.rank:
            raise ElsewhereError(f"{found.size} processes run.")
        raise ConfigError(
            f"processes is {processes}, but {found.size} "
            f"{'runs' if found.size == 1 else 'run'}. {_how_to(processes)}"
        )
    return found


def barrier() -> None:
    """Wait until every process is here."""
    if world().size > 1:
        _state().wait_for_everyone()


def leave_together() -> None:
    """End what the processes of a launch share, once all of them are through.

    A process that goes while another still computes, its threads of communication alive, may be
    torn down by them (SIGABRT), and the launcher then takes the whole run for failed.
    """
    if world().size > 1:
        barrier()
        _state().destroy_process_group()


def ended(code: int) -> int:
    """Give an exit code; a process of a launch of several ends with it there and then.

    What torch still runs in threads may abort a process (SIGABRT) whose work is done while it is
    torn down, and the launcher then takes the whole run for failed. So what Python has to do at
    its end is done, and the rest left to the system. What was written is to be flushed before.
    """
    if world().size > 1:
        atexit._run_exitfuncs()
        os._exit(code)
    return code


def from_main(function: Callable[[], Answer]) -> Answer:
    """Call a function in the main process only and give its answer to all.

    Parameters
    ----------
    function : callable
        Gives plain JSON values.

    Raises
    ------
    NlptlError
        In the main process, what the function raised.
    ElsewhereError
        In the others, when it raised something.
    """
    found = world()
    if found.size == 1:
        return function()
    problem, told = None, b""
    if found.rank == 0:
        try:
            told = json.dumps({"answer": function()}).encode()
        except NlptlError as raised:
            problem, told = raised, json.dumps({"problem": str(raised)}).encode()
    said = json.loads(_broadcast(told))
    if problem is not None:
        raise problem
    if "problem" in said:
        raise ElsewhereError(f"The main process cannot go on: {said['problem']}")
    answer: Answer = said["answer"]
    return answer


def own_rows(n_rows: int) -> AnyArray:
    """Give the numbers of the rows that are this process's: rank, rank + size, ..."""
    found = world()
    return np.arange(found.rank, n_rows, found.size)


def gather_rows(rows: AnyArray, n_rows: int) -> AnyArray:
    """Bring the rows of all processes together, in every process.

    Parameters
    ----------
    rows : ndarray of shape (n_own, ...)
        What this process found for ``own_rows(n_rows)``, in that order.
    n_rows : int
        How many rows there are in all processes.

    Returns
    -------
    ndarray of shape (n_rows, ...)
        Every row once, in the order of the row numbers.

    Raises
    ------
    InputError
        If this process gives another number of rows than are its own.
    """
    found, own = world(), len(own_rows(n_rows))
    if len(rows) != own:
        raise InputError(
            f"Process {found.rank} of {found.size} has {own} of {n_rows} rows, got {len(rows)}."
        )
    if found.size == 1:
        return rows
    import torch
    from accelerate.utils import gather

    longest = -(-n_rows // found.size)
    padded = np.zeros((longest, *rows.shape[1:]), dtype=rows.dtype)
    padded[:own] = rows
    all_of_them = gather(torch.from_numpy(padded).to(_state().device)).cpu().numpy()
    by_process = all_of_them.reshape(found.size, longest, *rows.shape[1:])
    in_order: AnyArray = by_process.swapaxes(0, 1).reshape(-1, *rows.shape[1:])
    return in_order[:n_rows]


def make_accelerator(device: str | None, config: LoopConfig | None = None) -> Any:
    """Give an Accelerator; None takes the device that the launcher or the machine offers.

    Accelerate keeps one state a process. Where a single process asks for a device of another
    kind, or other numbers, than before, that state is made anew. ``place`` says where models and
    batches go.

    Raises
    ------
    ConfigError
        If float16 is asked for where there is no CUDA device, or the launch is one that training
        cannot follow.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, PartialState

    on_processor = (device or default_device()).startswith("cpu")
    scaled = config is not None and config.precision == "float16"
    if scaled and on_processor:
        raise ConfigError("precision='float16' needs a CUDA device. Use 'bfloat16' or 'auto'.")
    wrapping = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    wanted = None if config is None else config.log_with
    with sheltered():  # two threads must not build that state at once
        if PartialState._shared_state and PartialState().num_processes == 1:
            same = (PartialState().device.type == "cpu") == on_processor
            before = AcceleratorState._shared_state.get("_mixed_precision", "no")
            if not same or (before == "fp16") != scaled:
                AcceleratorState._reset_state(reset_partial_state=not same)
        made = Accelerator(
            cpu=on_processor,
            device_placement=False,
            mixed_precision="fp16" if scaled else None,
            log_with=wanted,
            project_dir=_RUNS if wanted else None,
            kwargs_handlers=[wrapping],
        )
    if wanted and not made.log_with:
        raise ConfigError(f"log_with={wanted!r}: Accelerate finds no such tracker installed.")
    _check_kind(made)
    return made


def spreads_weights(accelerator: Any) -> bool:
    """Tell whether the launch asks for weights in parts on its processes (FSDP)."""
    return _kind(accelerator) == "FSDP"


def _check_kind(accelerator: Any) -> None:
    """Refuse ways of distributing that training cannot follow, instead of training wrongly."""
    kind = _kind(accelerator)
    if kind in ("DEEPSPEED", "MEGATRON_LM"):
        raise ConfigError(
            f"Training with {kind} is not known here. Launch with --multi_gpu, or with "
            "--use_fsdp --fsdp_version 2 where the weights do not fit on one device."
        )
    if kind == "FSDP" and not accelerator.is_fsdp2:
        raise ConfigError("FSDP of version 1 is not known here: launch with --fsdp_version 2.")
    if kind != "FSDP" and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true"):
        raise ConfigError(
            "FSDP was asked for, and Accelerate does not offer it here: it takes several processes "
            "with a GPU each. Launch without --use_fsdp."
        )


def _kind(accelerator: Any) -> str:
    return str(accelerator.distributed_type).rpartition(".")[2]


def check_same(step: int) -> None:
    """Refuse to go on from different places in different processes.

    Raises
    ------
    ConfigError
        If another process found another checkpoint, for instance on a disk of its own.
    """
    found = gather_rows(np.array([step]), world().size)
    if len(set(found.tolist())) > 1:
        raise ConfigError(
            f"The newest checkpoints of the processes are of steps {found.tolist()}. Keep them in "
            "a folder that all processes share, or remove it to begin anew."
        )


def place(accelerator: Any, device: str | None) -> Any:
    """Give the torch device of this process: the one asked for, else the accelerator's."""
    import torch

    return accelerator.device if device is None else torch.device(device)


@contextmanager
def tracker(
    accelerator: Any, config: LoopConfig
) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """Give a function that writes figures to the trackers asked for, if any."""
    if config.log_with is None:
        yield lambda _figures, _step: None
        return
    accelerator.init_trackers("nlptl")
    try:
        yield lambda figures, step: accelerator.log(dict(figures), step=step)
    finally:
        accelerator.end_training()


def _state() -> Any:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # PartialState alone does not look at ACCELERATE_USE_CPU, and then finds one process.
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=_PATIENCE)


def give_memory_back() -> None:
    """Return memory that is free to the system, where the C library would keep it.

    A process that goes on after training is smaller by what gradients and moments took.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc has it, others may not
        trim(0)


def _launched_alone() -> bool:
    """Tell whether accelerate was asked for several processes and started one.

    Its simple launcher sets a port to meet at only where several were asked for.
    """
    several = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ
    return several and not any(os.environ.get(name) for name in (*_SIZES, "LOCAL_RANK"))


def _how_to(processes: int) -> str:
    if processes == 1:
        return "For one process, run the script with python."
    return (
        "Without a GPU, launch with: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu "
        f"--num_processes {processes} SCRIPT ... (with GPUs, without ACCELERATE_USE_CPU)."
    )


def _broadcast(content: bytes) -> bytes:
    """Send bytes from the main process to all: first how many, then the bytes."""
    import torch
    from accelerate.utils import broadcast

    device = _state().device
    size = int(broadcast(torch.tensor([len(content)], device=device)).item())
    whole = torch.zeros(size, dtype=torch.uint8, device=device)
    if content:
        whole = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)
    return bytes(broadcast(whole).cpu().numpy().tobytes())

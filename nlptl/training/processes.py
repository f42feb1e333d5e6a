"""The processes of a run: their number, their rows, their accelerator and their trackers."""

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
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, ElsewhereError, InputError, NlptlError
from nlptl.encoders.contextual.loaded import default_device
from nlptl.training.config import LoopConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

Answer = TypeVar("Answer")

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RUNS = "runs"  # folder for trackers that write files
_PATIENCE = timedelta(days=7)  # torch's default is half an hour; a process may need longer


@dataclass(frozen=True)
class World:
    """Rank of this process and number of processes of its launch.

    Attributes
    ----------
    rank : int
        Number of this process, counted from 0.
    size : int
        Number of processes.
    """

    rank: int
    size: int


def world() -> World:
    """Return this process's rank and the number of processes; start no process group alone."""
    if not any(os.environ.get(name) for name in _SIZES):
        return World(0, 1)
    state = _state()
    return World(int(state.process_index), int(state.num_processes))


def is_main() -> bool:
    """Return True if this is the main process, which writes files and prints."""
    return world().rank == 0


def check_world(processes: int | None = None) -> World:
    """Return the world after checking that the requested number of processes runs.

    Parameters
    ----------
    processes : int, optional
        Number of processes that the user requests. None accepts the number of the launcher.

    Raises
    ------
    ConfigError
        If another number of processes runs.
    ElsewhereError
        For the same reason, in all processes except the first, which reports the error.
    """
    launch = world()
    n_launched = next((int(os.environ[name]) for name in _SIZES if os.environ.get(name)), 1)
    if n_launched != launch.size:
        if os.environ.get("RANK", "0") != "0":
            raise ElsewhereError(f"{n_launched} processes were started without a connection.")
        raise ConfigError(
            f"{n_launched} processes were started, but they are not connected to each other. Each "
            f"would do all of the work and write the same files. {_how_to(n_launched)}"
        )
    if processes is None and _launched_alone():
        raise ConfigError(
            f"More than one process was requested, but {launch.size} runs, because accelerate "
            f"starts one process with --cpu. {_how_to(2)} To use one process, set processes: 1."
        )
    if processes is not None and processes != launch.size:
        if launch.rank:
            raise ElsewhereError(f"processes is {processes}, but {launch.size} run.")
        raise ConfigError(
            f"processes is {processes}, but {launch.size} "
            f"{'runs' if launch.size == 1 else 'run'}. {_how_to(processes)}"
        )
    return launch


def barrier() -> None:
    """Wait until every process has reached this call."""
    if world().size > 1:
        _state().wait_for_everyone()


def leave_together() -> None:
    """Destroy the process group after all processes of the launch have finished.

    If a process exits while another still computes, its communication threads may abort it
    (SIGABRT). The launcher then treats the whole run as failed.
    """
    if world().size > 1:
        barrier()
        _state().destroy_process_group()


def ended(code: int) -> int:
    """Return an exit code, or exit with it at once if the launch has several processes.

    During the normal shutdown of Python, threads of torch may abort a finished process (SIGABRT).
    The launcher then treats the whole run as failed. To avoid this, the function runs Python's
    exit handlers and then exits without the rest of the shutdown. Flush all output before.
    """
    if world().size > 1:
        atexit._run_exitfuncs()
        os._exit(code)
    return code


def from_main(function: Callable[[], Answer]) -> Answer:
    """Call a function in the main process only and return its result in every process.

    Parameters
    ----------
    function : callable
        Returns plain JSON values.

    Raises
    ------
    NlptlError
        In the main process: the error that the function raised.
    ElsewhereError
        In the other processes, if the function raised an NlptlError.
    """
    launch = world()
    if launch.size == 1:
        return function()
    problem, content = None, b""
    if launch.rank == 0:
        try:
            content = json.dumps({"answer": function()}).encode()
        except NlptlError as raised:
            problem, content = raised, json.dumps({"problem": str(raised)}).encode()
    reply = json.loads(_broadcast(content))
    if problem is not None:
        raise problem
    if "problem" in reply:
        raise ElsewhereError(f"The main process failed: {reply['problem']}")
    answer: Answer = reply["answer"]
    return answer


def own_rows(n_rows: int) -> AnyArray:
    """Return the numbers of the rows of this process: rank, rank + size, ..."""
    launch = world()
    return np.arange(launch.rank, n_rows, launch.size)


def gather_rows(rows: AnyArray, n_rows: int) -> AnyArray:
    """Return the rows of all processes, in every process.

    Parameters
    ----------
    rows : ndarray of shape (n_own, ...)
        Results of this process for ``own_rows(n_rows)``, in that order.
    n_rows : int
        Number of rows in all processes together.

    Returns
    -------
    ndarray of shape (n_rows, ...)
        Every row once, in the order of the row numbers.

    Raises
    ------
    InputError
        If the number of ``rows`` differs from the number of ``own_rows(n_rows)``.
    """
    launch, n_own = world(), len(own_rows(n_rows))
    if len(rows) != n_own:
        raise InputError(
            f"Process {launch.rank} of {launch.size} has {n_own} of {n_rows} rows, got "
            f"{len(rows)}. Pass one result per row of own_rows(n_rows)."
        )
    if launch.size == 1:
        return rows
    import torch
    from accelerate.utils import gather

    longest = -(-n_rows // launch.size)
    padded = np.zeros((longest, *rows.shape[1:]), dtype=rows.dtype)
    padded[:n_own] = rows
    all_rows = gather(torch.from_numpy(padded).to(_state().device)).cpu().numpy()
    by_process = all_rows.reshape(launch.size, longest, *rows.shape[1:])
    in_order: AnyArray = by_process.swapaxes(0, 1).reshape(-1, *rows.shape[1:])
    return in_order[:n_rows]


def make_accelerator(device: str | None, config: LoopConfig | None = None) -> Accelerator:
    """Return an Accelerator; ``device=None`` uses the device of the launcher or the machine.

    Accelerate keeps one state per process. If a single process requests another kind of device
    or another precision than before, the function resets that state. The Accelerator moves no
    models or batches; ``place`` returns their device.

    Raises
    ------
    ConfigError
        If float16 is requested for a CPU, no tracker of ``log_with`` is installed, or training
        does not support the kind of launch.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, PartialState

    on_cpu = (device or default_device()).startswith("cpu")
    scaled = config is not None and config.precision == "float16"
    if scaled and on_cpu:
        raise ConfigError("precision='float16' needs a CUDA device. Use 'bfloat16' or 'auto'.")
    wrapping = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    log_with = None if config is None else config.log_with
    with sheltered():  # two threads must not build that state at the same time
        if PartialState._shared_state and PartialState().num_processes == 1:
            same_kind = (PartialState().device.type == "cpu") == on_cpu
            before = AcceleratorState._shared_state.get("_mixed_precision", "no")
            if not same_kind or (before == "fp16") != scaled:
                AcceleratorState._reset_state(reset_partial_state=not same_kind)
        accelerator = Accelerator(
            cpu=on_cpu,
            device_placement=False,
            mixed_precision="fp16" if scaled else None,
            log_with=log_with,
            project_dir=_RUNS if log_with else None,
            kwargs_handlers=[wrapping],
        )
    if log_with and not accelerator.log_with:
        raise ConfigError(
            f"log_with={log_with!r}: Accelerate finds no such tracker installed. Install its "
            "package or choose another tracker."
        )
    _check_kind(accelerator)
    return accelerator


def spreads_weights(accelerator: Accelerator) -> bool:
    """Return True if the launch shards weights over its processes (FSDP)."""
    return _kind(accelerator) == "FSDP"


def _check_kind(accelerator: Accelerator) -> None:
    """Raise a ConfigError for ways of distribution that would train incorrectly."""
    kind = _kind(accelerator)
    if kind in ("DEEPSPEED", "MEGATRON_LM"):
        raise ConfigError(
            f"Training does not support {kind}. Launch with --multi_gpu, or with --use_fsdp "
            "--fsdp_version 2 if the weights do not fit on one device."
        )
    if kind == "FSDP" and not accelerator.is_fsdp2:
        raise ConfigError("Training does not support FSDP version 1. Launch with --fsdp_version 2.")
    if kind != "FSDP" and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true"):
        raise ConfigError(
            "FSDP was requested, but Accelerate does not offer it here (distributed type: "
            f"{kind}). It needs several processes with one GPU each. Launch without --use_fsdp."
        )


def _kind(accelerator: Accelerator) -> str:
    return str(accelerator.distributed_type).rpartition(".")[2]


def check_same(step: int) -> None:
    """Check that all processes start at the same step.

    Raises
    ------
    ConfigError
        If processes resume from different checkpoints, for instance on different disks.
    """
    steps = gather_rows(np.array([step]), world().size).tolist()
    if len(set(steps)) > 1:
        raise ConfigError(
            f"All processes must start at the same step, got {steps} from their newest "
            "checkpoints. Keep checkpoints in a folder that all processes share, or remove the "
            "folder to start from the beginning."
        )


def place(accelerator: Accelerator, device: str | None) -> Any:
    """Return the torch device of this process: ``device`` if set, else the accelerator's."""
    import torch

    return accelerator.device if device is None else torch.device(device)


@contextmanager
def tracker(
    accelerator: Accelerator, config: LoopConfig
) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """Yield a function that logs metrics to the trackers of ``log_with``, if any."""
    if config.log_with is None:
        yield lambda _metrics, _step: None
        return
    accelerator.init_trackers("nlptl")
    try:
        yield lambda metrics, step: accelerator.log(dict(metrics), step=step)
    finally:
        accelerator.end_training()


def _state() -> Any:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # PartialState does not read ACCELERATE_USE_CPU itself, and would then see one process.
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=_PATIENCE)


def give_memory_back() -> None:
    """Return freed memory to the system, because the C library would otherwise keep it.

    After training, this is the memory of gradients and optimiser moments.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # only glibc provides it
        trim(0)


def _launched_alone() -> bool:
    """Return True if accelerate should start several processes but started one.

    Its simple launcher sets MASTER_PORT only if several processes were requested.
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
    """Send bytes from the main process to all processes: first their number, then the bytes."""
    import torch
    from accelerate.utils import broadcast

    device = _state().device
    size = int(broadcast(torch.tensor([len(content)], device=device)).item())
    buffer = torch.zeros(size, dtype=torch.uint8, device=device)
    if content:
        buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)
    return bytes(broadcast(buffer).cpu().numpy().tobytes())

"""Checkpoints of training: written atomically, verified before use, without pickle."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import checked, entry, plain_value
from nlptl.base.errors import ConfigError, NlptlError, StorageError
from nlptl.base.inputs import JsonObject
from nlptl.storage.atomic import new_folder
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, verify_manifest, write_manifest
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting, open_regular, read_json
from nlptl.training.weights.sharding import whole

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import Tensor

logger = logging.getLogger("nlptl")

_KIND = "checkpoint"
_STATE = "state.safetensors"
_POSITION = "position.json"
_SEAL = "manifest.sha256"
_SEAL_BYTES = 100
_PREFIX = "step-"
_CHANCE = "chance"
_MIN_SAVE_STEPS, _MAX_SAVE_STEPS = 50, 500
_SCALER_ENTRY, _SCALER_VALUES = "scale", ("scale", "_growth_tracker")


@dataclass(frozen=True)
class Saved:
    """A checkpoint that passed verification.

    Attributes
    ----------
    position : dict
        Plain JSON: the state of training, such as its stage and step.
    arrays : dict of str to ndarray
        Weights, optimiser moments, weight averages and the states of the random generators.
    refused : tuple of str
        Newer checkpoints that failed verification, with the reason.
    """

    position: dict[str, Any]
    arrays: dict[str, AnyArray]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keeper:
    """Writer and reader of the checkpoints of one run in one folder.

    Attributes
    ----------
    folder : Path
        Folder that contains the checkpoints, each in a folder of its own.
    every : int or None
        Steps between checkpoints. None means a tenth of the training, limited to 50 to 500 steps.
    settings : dict
        Plain JSON that identifies the run. A checkpoint of another run is refused.
    most : int
        Number of checkpoints to keep. Older ones are removed after a newer one is complete.
    """

    folder: Path
    every: int | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    most: int = 2

    def due(self, step: int, total: int) -> bool:
        """Return True if a checkpoint is due after ``step`` of ``total`` steps."""
        every = self.every or min(max(total // 10, _MIN_SAVE_STEPS), _MAX_SAVE_STEPS)
        return step % every == 0

    def save(self, step: int, position: JsonObject, arrays: Mapping[str, AnyArray]) -> bool:
        """Write a checkpoint; return False and log a warning if writing fails.

        Every file reaches the disk before the folder gets its final name. The manifest lists the
        sha256 of every other file. The last file is a seal: the sha256 of the manifest.
        """
        target = self.folder / f"{_PREFIX}{step:08d}"
        try:
            with new_folder(target) as draft:
                save_arrays(draft / _STATE, arrays)
                described = {**position, "settings": self.settings}
                content = json.dumps(described, indent=1, default=plain_value)
                (draft / _POSITION).write_text(content, encoding="utf-8")
                write_manifest(draft, kind=_KIND, version=version("nlptl"))
                (draft / _SEAL).write_text(sha256_of(draft / MANIFEST), encoding="ascii")
        except (StorageError, OSError) as problem:
            logger.warning("No checkpoint at step %d: %s Training continues.", step, problem)
            return False
        for old in self._folders()[self.most :]:
            shutil.rmtree(old, ignore_errors=True)
        return True

    def newest(self) -> Saved | None:
        """Return the newest checkpoint that passes verification, or None if there is none.

        Newer checkpoints that fail verification are logged and listed in its ``refused``.

        Raises
        ------
        ConfigError
            If the checkpoint belongs to a run with other settings.
        """
        sweep_drafts(self.folder)
        refused: list[str] = []
        for path in self._folders():
            try:
                with interpreting(path, remedy="Remove it."):
                    saved, settings = self._read(path)
            except (NlptlError, OSError) as problem:
                refused.append(f"{path.name}: {problem}")
                logger.warning("Checkpoint %s is refused: %s", path.name, problem)
                continue
            self._refuse_other_run(path, settings)
            del saved.position["settings"]
            return replace(saved, refused=tuple(refused))
        return None

    def _read(self, path: Path) -> tuple[Saved, dict[str, Any]]:
        """Return a checkpoint and the settings of its run."""
        with open_regular(path / _SEAL) as file:
            seal = file.read(_SEAL_BYTES)
        if seal != sha256_of(path / MANIFEST).encode():
            raise StorageError(
                f"{str(path / MANIFEST)!r} was changed: its sha256 is not {seal!r}, the value in "
                f"{_SEAL!r}."
            )
        verify_manifest(path, kind=_KIND)
        position: dict[str, Any] = checked(read_json(path / _POSITION), dict[str, Any], _POSITION)
        settings = entry(position, "settings", dict[str, Any])
        return Saved(position, load_arrays(path / _STATE)), settings

    def _refuse_other_run(self, path: Path, settings: Mapping[str, object]) -> None:
        expected = json.loads(json.dumps(self.settings, default=plain_value))
        names = sorted(n for n in {*settings, *expected} if settings.get(n) != expected.get(n))
        if names:
            raise ConfigError(
                f"{str(path)!r} is a checkpoint of a run with other settings (they differ in "
                f"{', '.join(names)}). Set checkpoints=... to another folder, or remove this one."
            )

    def _folders(self) -> list[Path]:
        """Return the folders of all checkpoints, newest first."""
        return sorted(self.folder.glob(f"{_PREFIX}*"), reverse=True)


def to_arrays(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, AnyArray]:
    """Copy tensors into arrays named ``prefix/name``; every process must call this function."""
    return {
        f"{prefix}/{name}": whole(part.detach()).cpu().numpy() for name, part in tensors.items()
    }


def from_arrays(arrays: Mapping[str, AnyArray], prefix: str) -> dict[str, Any]:
    """Return the tensors that ``to_arrays`` stored with a prefix."""
    import torch

    start = f"{prefix}/"
    return {
        name.removeprefix(start): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(start)
    }


def random_states(accelerator: Accelerator, device: torch.device) -> dict[str, AnyArray]:
    """Return the state of torch's random generators in every process, and the float16 scale.

    The generators are that of the processor and that of the device of the training.

    Every process must call this function. Each one gets the states of all processes.
    """
    import torch
    from accelerate.utils import gather_object

    local_states = {"cpu": torch.get_rng_state().numpy()}
    if device.type == "cuda":
        local_states["cuda"] = torch.cuda.get_rng_state(device).numpy()
    elif device.type == "mps":
        local_states["mps"] = torch.mps.get_rng_state().numpy()
    several = accelerator.num_processes > 1
    by_rank = gather_object([local_states]) if several else [local_states]
    arrays = {
        f"{_CHANCE}/{rank}/{kind}": state
        for rank, states in enumerate(by_rank)
        for kind, state in states.items()
    }
    if accelerator.scaler is not None:
        scaler_state = accelerator.scaler.state_dict()
        arrays[_SCALER_ENTRY] = np.array([float(scaler_state[name]) for name in _SCALER_VALUES])
    return arrays


def restore_random_state(
    arrays: Mapping[str, AnyArray], accelerator: Accelerator, device: torch.device
) -> None:
    """Restore what ``random_states`` returned: this process's generators, the float16 scale."""
    import torch

    for kind, state in from_arrays(arrays, f"{_CHANCE}/{accelerator.process_index}").items():
        if kind == "cpu":
            torch.set_rng_state(state)
        elif kind == device.type == "cuda":
            torch.cuda.set_rng_state(state, device)
        elif kind == device.type == "mps":
            torch.mps.set_rng_state(state)
    if accelerator.scaler is not None and _SCALER_ENTRY in arrays:
        scale, steps = arrays[_SCALER_ENTRY].tolist()
        restored = {"scale": scale, "_growth_tracker": int(steps)}
        accelerator.scaler.load_state_dict({**accelerator.scaler.state_dict(), **restored})

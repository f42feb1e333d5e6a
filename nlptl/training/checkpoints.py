"""Checkpoints: whole or not there, checked before they count, nothing pickled."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.described import checked, entry
from nlptl.base.errors import ConfigError, NlptlError, StorageError
from nlptl.storage.atomic import new_folder
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import sha256_of
from nlptl.storage.manifest import MANIFEST, verify_manifest, write_manifest
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting, open_regular, read_json
from nlptl.training.weights.sharding import whole

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
    """A checkpoint that verified.

    Attributes
    ----------
    position : dict
        Plain JSON: where training stood.
    arrays : dict of str to ndarray
        Weights, moments, averages and the states of chance.
    refused : tuple of str
        Newer checkpoints that did not verify, with the reason.
    """

    position: dict[str, Any]
    arrays: dict[str, AnyArray]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keeper:
    """Writes checkpoints of one run into a folder, and finds the newest that is whole.

    Attributes
    ----------
    folder : Path
        Each checkpoint is a folder in it.
    every : int or None
        Steps from one checkpoint to the next; None is a tenth of the training, from 50 to 500.
    settings : dict
        Plain JSON that tells this run from others; a checkpoint of another run is refused.
    most : int
        So many checkpoints stay; older ones are removed after a newer one is whole.
    """

    folder: Path
    every: int | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    most: int = 2

    def due(self, step: int, total: int) -> bool:
        """Say whether a checkpoint follows this step of so many."""
        every = self.every or min(max(total // 10, _MIN_SAVE_STEPS), _MAX_SAVE_STEPS)
        return step % every == 0

    def save(self, step: int, position: dict[str, Any], arrays: Mapping[str, AnyArray]) -> bool:
        """Write a checkpoint; say on the log, and give False, where there is no room for it.

        Every file reaches the disk before the folder takes its name. The last file is a seal on
        the manifest, which in turn lists the sha256 of every other file.
        """
        target = self.folder / f"{_PREFIX}{step:08d}"
        try:
            with new_folder(target) as draft:
                save_arrays(draft / _STATE, arrays)
                told = json.dumps({**position, "settings": self.settings}, indent=1)
                (draft / _POSITION).write_text(told, encoding="utf-8")
                write_manifest(draft, kind=_KIND, version=version("nlptl"))
                (draft / _SEAL).write_text(sha256_of(draft / MANIFEST), encoding="ascii")
        except (StorageError, OSError) as problem:
            logger.warning("No checkpoint at step %d: %s Training goes on.", step, problem)
            return False
        for old in self._folders()[self.most :]:
            shutil.rmtree(old, ignore_errors=True)
        return True

    def newest(self) -> Saved | None:
        """Give the newest checkpoint that verifies, and say which newer ones were refused.

        Raises
        ------
        ConfigError
            If the checkpoints are of a run with other settings.
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
            raise StorageError(f"{str(path / MANIFEST)!r} was changed: its seal says {seal!r}.")
        verify_manifest(path, kind=_KIND)
        position: dict[str, Any] = checked(read_json(path / _POSITION), dict[str, Any], _POSITION)
        settings = entry(position, "settings", dict[str, Any])
        return Saved(position, load_arrays(path / _STATE)), settings

    def _refuse_other_run(self, path: Path, settings: Mapping[str, Any]) -> None:
        own = json.loads(json.dumps(self.settings))
        names = sorted({n for n in {*settings, *own} if settings.get(n) != own.get(n)})
        if names:
            raise ConfigError(
                f"{str(path)!r} is a checkpoint of a run with other settings (they differ in "
                f"{', '.join(names)}). Give checkpoints=... another folder, or remove this one."
            )

    def _folders(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob(f"{_PREFIX}*"), reverse=True)


def to_arrays(tensors: Mapping[str, Any], prefix: str) -> dict[str, AnyArray]:
    """Copy tensors into arrays named ``prefix/name``; all processes have to call this."""
    return {
        f"{prefix}/{name}": whole(part.detach()).cpu().numpy() for name, part in tensors.items()
    }


def from_arrays(arrays: Mapping[str, AnyArray], prefix: str) -> dict[str, Any]:
    """Give the tensors that ``to_arrays`` was given under a prefix."""
    import torch

    start = f"{prefix}/"
    return {
        name.removeprefix(start): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(start)
    }


def random_states(accelerator: Any) -> dict[str, AnyArray]:
    """Give what torch's generators stand at, in every process, and the scale of float16.

    Every process has to call this; all get the states of all.
    """
    import torch
    from accelerate.utils import gather_object

    own = {"cpu": torch.get_rng_state().numpy()}
    if torch.cuda.is_available():
        own["cuda"] = torch.cuda.get_rng_state().numpy()
    everyone = gather_object([own]) if accelerator.num_processes > 1 else [own]
    found = {
        f"{_CHANCE}/{rank}/{device}": state
        for rank, states in enumerate(everyone)
        for device, state in states.items()
    }
    if accelerator.scaler is not None:
        told = accelerator.scaler.state_dict()
        found[_SCALER_ENTRY] = np.array([float(told[name]) for name in _SCALER_VALUES])
    return found


def restore_random_state(arrays: Mapping[str, AnyArray], accelerator: Any) -> None:
    """Let torch draw, and scale, on in this process from where ``random_states`` found it."""
    import torch

    for device, state in from_arrays(arrays, f"{_CHANCE}/{accelerator.process_index}").items():
        if device == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state)
    if accelerator.scaler is not None and _SCALER_ENTRY in arrays:
        scale, steps = arrays[_SCALER_ENTRY].tolist()
        own = accelerator.scaler.state_dict()
        accelerator.scaler.load_state_dict({**own, "scale": scale, "_growth_tracker": int(steps)})

import io
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from nlptl.base.errors import InputError
from nlptl.cli.learning.trained_model import saved_at_the_end


@dataclass
class Model:
    saved: list = field(default_factory=list)

    def save(self, folder, *, notes=None):
        self.saved.append((folder, notes))
        return folder


@dataclass
class Config:
    output: str | None = "model"
    forgotten: bool = False

    def forget_checkpoints(self):
        self.forgotten = True


def test_a_model_is_saved_after_its_evaluation_and_also_if_that_fails():
    for fails in (False, True):
        model, config, out = Model(), Config(), Console(file=io.StringIO())
        try:
            with saved_at_the_end(model, config, {"seed": 1}, out):
                assert not model.saved
                if fails:
                    raise InputError("wrong test rows")
        except InputError:
            assert fails
        assert model.saved == [("model", {"run": {"seed": 1}})] and config.forgotten
        assert "Saved and read back: model" in out.file.getvalue()


def test_without_an_output_folder_nothing_is_saved():
    model, out = Model(), Console(file=io.StringIO())
    with pytest.raises(InputError), saved_at_the_end(model, Config(None), {}, out):
        raise InputError("wrong test rows")
    assert not model.saved and "Not saved" in out.file.getvalue()

from nlptl.base import machine
from nlptl.base.machine import processor_name


def test_the_model_of_the_processor_is_named(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.0 GHz\nmodel name\t: Some CPU\n")
    monkeypatch.setattr(machine, "_DESCRIPTION", path)
    assert processor_name.__wrapped__() == "Some CPU @ 2.0 GHz"


def test_without_a_model_the_architecture_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_DESCRIPTION", tmp_path / "missing")
    assert processor_name.__wrapped__()

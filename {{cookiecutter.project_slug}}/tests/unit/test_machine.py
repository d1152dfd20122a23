"""How the machine is named that a model was fitted on."""

import platform

import pytest

from {{ cookiecutter.project_slug }}.utils import machine
from {{ cookiecutter.project_slug }}.utils.provenance import system


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: One 9 @ 3 GHz \nmodel name\t: Two\n", "One 9 @ 3 GHz"),
        ("Processor\t: none of these\n", platform.processor() or platform.machine()),
        (None, platform.processor() or platform.machine()),
    ],
)
def test_the_processor_is_named_by_its_model(tmp_path, monkeypatch, text, name):
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert machine.cpu() == system()["system.cpu"] == name


def test_on_a_mac_the_system_is_asked(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(machine, "printed", lambda *command: f"asked by {command[0]}")
    assert machine.cpu() == "asked by sysctl"


def test_threads_are_those_that_libraries_take(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert system()["system.threads"] == machine.threads() == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert machine.threads() == "unset"

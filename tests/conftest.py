"""Fixtures: the template as a fresh clone holds it, bakes, and one environment for all of them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from baking import (
    FOLDER,
    ROOT,
    Bake,
    commit,
    copy_template,
    features,
    owned,
    shared_environment,
    streamed,
    switched_on,
    tracked,
)  # fmt: skip
from options import EVERYTHING
from pytest_cookies.plugin import Cookies

Stream = Callable[..., str]
_skipped: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def user_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep cookiecutter and cruft out of the home folder, and their defaults out of the tests."""
    home = tmp_path_factory.mktemp("cookiecutter")
    config = home / "config.yaml"
    config.write_text(json.dumps({"cookiecutters_dir": str(home / "clones"), "replay_dir": str(home / "replay")}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(config))
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working tree's files, committed and tagged with the template's version."""
    copy = copy_template(tmp_path_factory.mktemp("template") / "ml-template")
    version = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["_template_version"]
    commit(copy, f"v{version}")
    return copy


@pytest.fixture(scope="session")
def prompts(template: Path) -> dict[str, Any]:
    """What cookiecutter.json says."""
    found: dict[str, Any] = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def expected_files() -> Callable[..., set[str]]:
    """A function from a slug and answers to the files that a bake must hold: the template folder's, renamed."""
    names = [name.removeprefix(f"{FOLDER}/") for name in tracked(ROOT) if name.startswith(f"{FOLDER}/")]

    def expected(slug: str, **answers: str | bool) -> set[str]:
        off = features().keys() - switched_on(answers)
        kept = [name for name in names if not any(owned(name, feature) for feature in off)]
        return {name.replace(FOLDER, slug) for name in kept}

    return expected


@pytest.fixture(scope="session")
def bake(template: Path, prompts: dict[str, Any], cookies_session: Cookies) -> Callable[..., Bake]:
    """`bake(**answers)` renders a new project; an answer that no prompt asks for is an error."""

    def render(**answers: str | bool) -> Bake:
        if unknown := [key for key in answers if key.startswith("_") or key not in prompts]:
            raise KeyError(f"cookiecutter.json asks for no {', '.join(unknown)}")
        result = cookies_session.bake(extra_context=answers, template=str(template))
        if result.exception is not None:
            raise result.exception
        return Bake(result.project_path)

    return render


@pytest.fixture(scope="session")
def bake_environment(bake: Callable[..., Bake]) -> Path:
    """The folder of the virtual environment that holds what a bake's own targets need."""
    return shared_environment([bake(**answers) for answers in EVERYTHING])


@pytest.fixture
def stream(capfd: pytest.CaptureFixture[str]) -> Stream:
    """`stream(bake, *command)` runs a command whose output appears while it runs, and returns it."""

    def run(project: Bake, *command: str, **extra: str) -> str:
        with capfd.disabled():
            return streamed(*command, cwd=project.path, **extra)

    return run


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember a skipped test and its reason."""
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember a module that skipped itself."""
    _note_skip(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With ML_TEMPLATE_STRICT set, a skipped test fails the run."""
    if _skipped and os.environ.get("ML_TEMPLATE_STRICT") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which skips failed the run."""
    if _skipped and os.environ.get("ML_TEMPLATE_STRICT"):
        terminalreporter.section("skipped, which ML_TEMPLATE_STRICT does not allow", red=True)
        for line in _skipped:
            terminalreporter.line(line)

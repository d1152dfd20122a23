"""The harness that runs `.woodpecker/`, on files of a few lines."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from tests.repositories import git
from tests.woodpecker import events
from tests.woodpecker.agent import Agent, Pipeline, tools
from tests.woodpecker.events import Event
from tests.woodpecker.text import PipelineError, evaluated, matches, substituted

TWO = """
when: {event: push}
steps:
  - {name: one, image: "a:1", commands: [%s]}
  - {name: two, image: "a:1", commands: [echo second]}
"""
Runner = Callable[..., Pipeline]


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of two commits on main and one more on a branch, with a tag on each of main's."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for name, tag in (("first", "v0.1.0"), ("second", "v0.2.0")):
        (folder / name).touch()
        git(folder, "add", name)
        git(folder, "commit", "--quiet", "--message", name)
        git(folder, "tag", "--annotate", tag, "--message", f"Model: {tag}")
    git(folder, "branch", "topic")
    return folder


@pytest.fixture
def run(origin: Path, tmp_path: Path) -> Runner:
    """Runs files by name at an event; a push where none is given."""
    programs = tools(tmp_path / "tools")

    def of(
        files: Mapping[str, str],
        event: Callable[[Path], Event] = events.push,
        secrets: Mapping[str, str] | None = None,
        **more: object,
    ) -> Pipeline:
        folder = tmp_path / f"agent-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()

        def written(read: Path) -> None:
            read.mkdir()
            for name, text in files.items():
                (read / f"{name}.yaml").write_text(text, encoding="utf-8")

        return Agent(folder, programs, secrets or {}).run(event(origin), change=written, **more)  # type: ignore[arg-type]

    return of


def one(*commands: str, when: str = "{event: push}", **more: str) -> dict[str, str]:
    """A file of one step."""
    lines = "".join(f"      - {command!r}\n" for command in commands)
    head = "".join(f"{key}: {value}\n" for key, value in more.items())
    return {"only": f"when: {when}\n{head}steps:\n  - name: step\n    image: a:1\n    commands:\n{lines}"}


def printed(pipeline: Pipeline) -> list[str]:
    assert pipeline.passed, pipeline.output
    return "".join(outcome.output for outcome in pipeline.outcomes).splitlines()


def test_commands_of_a_step_share_a_shell_and_the_first_failure_stops_all(run: Runner) -> None:
    assert printed(run(one("cd /", "X=1", "echo $X $PWD"))) == ["1 /"]
    failed = run({"only": TWO % "echo a, 'false', echo b"})
    assert not failed.passed
    assert failed.codes("only") == {"one": 1, "two": None}
    assert [outcome.output for outcome in failed.outcomes] == ["a\n", ""]
    assert not run({"only": TWO % "false | true, exit 3"}).passed
    assert run({"only": TWO % "false || true"}).passed


def test_steps_share_files_and_workflows_do_not(run: Runner) -> None:
    assert run({"a": TWO % "touch left", "b": TWO % "test ! -e left"}).passed
    assert run({"only": TWO.replace("echo second", "test -e left") % "touch left"}).passed


def test_a_step_for_failures(run: Runner) -> None:
    tell = (TWO % "exit %d").replace("[echo second]}", "[echo told], when: [{event: push, status: [failure]}]}")
    assert run({"only": tell % 0}).codes("only") == {"one": 0, "two": None}
    failed = run({"only": tell % 4})
    assert failed.codes("only") == {"one": 4, "two": 0}
    assert failed.failed == {"only"}
    ignored = run({"only": (TWO % "exit 4").replace("commands: [exit 4]", "failure: ignore, commands: [exit 4]")})
    assert ignored.passed and ignored.codes("only") == {"one": 4, "two": 0}


def test_nothing_else_is_in_the_environment(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    names = {line.partition("=")[0] for line in printed(run(one("env"), given={"UV_CACHE_DIR": "/cache"}))}
    others = {name for name in names if not name.startswith("CI_")}
    assert others == {"CI", "HOME", "PATH", "PWD", "UV_CACHE_DIR"} | others & {"OLDPWD", "SHLVL", "_"}
    assert "CI_COMMIT_TAG" not in names
    failed = run(one("echo $NAMELESS"))
    assert "NAMELESS" in failed.output and not failed.passed


def test_the_image_of_docker_has_docker_and_git_and_little_else(run: Runner) -> None:
    others = "for name in make uv python3 bash kubectl; do command -v $name || true; done"
    asked = one("command -v git >/dev/null", others)
    file = asked["only"].replace("image: a:1", "image: docker.io/library/docker:28-cli")
    assert printed(run({"only": file})) == []
    assert printed(run(asked))  # another image has some of them
    slip = one("make --version")["only"].replace("image: a:1", "image: docker:28-cli")
    assert run({"only": slip}).codes("only") == {"step": 127}


def test_variables_of_events(run: Runner, origin: Path) -> None:
    shown = "echo $CI_PIPELINE_EVENT $CI_COMMIT_REF $CI_COMMIT_SHA $CI_WORKFLOW_NAME $CI_STEP_NAME"
    head = events.commit(origin, "main")
    first = events.commit(origin, "v0.1.0")
    assert printed(run(one(shown))) == [f"push refs/heads/main {head} only step"]
    tag = run(one(shown, "echo $CI_COMMIT_TAG", when="{event: tag}"), lambda at: events.tag(at, "v0.1.0"))
    assert printed(tag) == [f"tag refs/tags/v0.1.0 {first} only step", "v0.1.0"]
    cron = run(one(shown, when="{event: cron, cron: night*}"), lambda at: events.cron(at, "nightly"))
    assert printed(cron) == [f"cron refs/heads/main {head} only step"]
    pull = run(
        one("echo $CI_COMMIT_BRANCH $CI_COMMIT_SOURCE_BRANCH $CI_COMMIT_PULL_REQUEST", when="{event: pull_request}"),
        lambda at: events.pull_request(at, "topic"),
    )
    assert printed(pull) == ["main topic 3"]
    typed = "[{event: manual, evaluate: 'ACTION == \"go\"'}]"
    manual = run(one("echo $ACTION", "echo ${ACTION}", when=typed), lambda at: events.manual(at, ACTION="go"))
    assert printed(manual) == ["go", "go"]
    assert not run(one("true", when=typed), lambda at: events.manual(at, ACTION="stop")).workflows


@pytest.mark.parametrize(
    ("when", "event", "runs"),
    [
        ("{event: [tag, push]}", "push", True),
        ("{event: tag}", "push", False),
        ("[{event: tag}, {event: push, branch: main}]", "push", True),
        ("[{event: push, branch: release/*}]", "push", False),
        ("[{event: tag, branch: release, ref: refs/tags/v*}]", "tag", True),  # branches are nothing to tags
        ("[{event: tag, ref: refs/tags/w*}]", "tag", False),
        ("[{event: tag, ref: {include: refs/tags/v*, exclude: refs/tags/v*-*}}]", "tag", True),
        ("[{event: tag, ref: {exclude: refs/tags/v0*}}]", "tag", False),
        ("[{event: cron, cron: weekly}]", "cron", False),
        ("[{event: push, evaluate: 'CI_COMMIT_BRANCH == CI_REPO_DEFAULT_BRANCH'}]", "push", True),
    ],
)
def test_when(run: Runner, when: str, event: str, runs: bool) -> None:
    arguments = {"push": (), "tag": ("v0.1.0",), "cron": ("nightly",)}[event]
    done = run(one("true", when=when), lambda at: getattr(events, event)(at, *arguments))
    assert bool(done.workflows) == runs


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (one("true", concurency="{limit: 1}"), "only.yaml: the file: concurency: not known here"),
        (one("true", services="{db: {image: a}}"), "only.yaml: the file: services: not known here"),
        ({"only": TWO.replace("image", "imagine") % "true"}, "step one: imagine: not known here"),
        ({"only": TWO.replace("a:1", "a") % "true"}, "step one: the image a has no tag of its own"),
        ({"only": TWO.replace("a:1", "a:latest") % "true"}, "step one: the image a:latest has no tag of its own"),
        ({"only": TWO.replace("when: {event: push}", "") % "true"}, "there is no `when`"),
        (one("true", when="{branch: main}"), "when: a condition names no event"),
        (one("true", when="{event: pushed}"), "when: there is no event pushed"),
        (one("true", when="{event: push, refs: v}"), "when: refs: not known here"),
        (one("true", when="{event: push, evaluate: 'A contains B'}"), "evaluate: A contains B: contains is not known here"),
        (one("true", when="{event: push, evaluate: 'CI'}"), "evaluate: CI is 'woodpecker', neither true nor false"),
        (one("true", depends_on="[other]"), "only: depends_on: there is no workflow other"),
        (one("echo ${CI_COMMIT_TAG}"), r"\${CI_COMMIT_TAG}: no such variable"),
        (one("echo ${CI_COMMIT_SHA%x}"), r"\${CI_COMMIT_SHA%x} is not known here"),
        (one("true", clone="{git: {image: g, settings: {deep: 1}}}"), "clone: settings: deep: not known here"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_an_error(run: Runner, files: Mapping[str, str], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        run(files)


SECRET = """
when: [{event: [push, pull_request]}]
steps:
  - name: step
    image: a:1
    environment: {PASSWORD: {from_secret: password}, LEVEL: 3, LOUD: true}
    commands: [echo $PASSWORD $LEVEL $LOUD]
"""
KNOWN = {"password": "swordfish"}  # pragma: allowlist secret


def test_secrets(run: Runner) -> None:
    assert printed(run({"only": SECRET}, secrets=KNOWN)) == ["******** 3 true"]
    with pytest.raises(PipelineError, match="step step: there is no secret password"):
        run({"only": SECRET})
    with pytest.raises(PipelineError, match="step step: secret password is not given to pull requests"):
        run({"only": SECRET}, lambda at: events.pull_request(at, "topic"), KNOWN)
    with pytest.raises(PipelineError, match="step step: environment: CI_COMMIT_SHA is Woodpecker's own"):
        run({"only": SECRET.replace("LEVEL", "CI_COMMIT_SHA")}, secrets=KNOWN)


def test_workflows_that_depend_on_others(run: Runner) -> None:
    first, later = one("exit 3"), one("true", depends_on="[z]")
    failed = run({"z": first["only"], "a": later["only"]})
    assert [(outcome.workflow, outcome.code) for outcome in failed.outcomes] == [("z", 3), ("a", None)]
    assert failed.failed == {"a", "z"}
    tell = one("true", depends_on="[z]", when="[{event: push, status: [success, failure]}]")
    assert run({"z": first["only"], "a": tell["only"]}).codes("a") == {"step": 0}
    absent = one("true", when="{event: tag}")["only"]
    assert not run({"z": absent, "a": later["only"]}).workflows  # what it waits for never comes
    optional = one("true", depends_on="[{name: z, optional: true}]")
    assert run({"z": absent, "a": optional["only"]}).workflows == ["a"]
    with pytest.raises(PipelineError, match="wait for each other"):
        run({"z": one("true", depends_on="[a]")["only"], "a": later["only"]})


@pytest.mark.parametrize(
    ("settings", "event", "commits", "tags"),
    [
        (None, events.push, 1, 0),
        (None, lambda at: events.tag(at, "v0.2.0"), 2, 2),
        ("{depth: 1, tags: true}", lambda at: events.tag(at, "v0.2.0"), 1, 2),
        ("{partial: false, depth: 0}", events.push, 2, 0),
        ("{partial: false, depth: 0, tags: true}", events.manual, 2, 2),
        ("{depth: 5}", events.push, 1, 0),  # it is partial all the same
    ],
)
def test_the_clone(run: Runner, settings: str | None, event: Callable[[Path], Event], commits: int, tags: int) -> None:
    more = {"clone": "{git: {image: g, settings: " + settings + "}" + "}"} if settings else {}
    asked = one("git rev-list --count HEAD", "git tag | wc -l", when="{event: [push, tag, manual]}", **more)
    assert printed(run(asked, event)) == [str(commits), str(tags)]


def test_a_step_that_is_killed_and_what_it_leaves_behind(run: Runner, tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def kill(process: object, step: str) -> None:
        while not note.exists():
            pass
        os.killpg(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]

    assert run(one(f"touch {note}", "sleep 60"), watch=kill).codes("only") == {"step": -signal.SIGKILL}
    done = run(one(f"sleep 60 & echo $! > {note}"))
    assert done.passed
    left = int(note.read_text())
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_texts() -> None:
    variables = {"TAG": "v1.2.3", "SHA": "0123456789"}
    assert substituted("a ${TAG} ${TAG##v} ${SHA:0:4} ${SHA:8} $TAG $${TAG}", variables) == (
        "a v1.2.3 1.2.3 0123 89 $TAG ${TAG}"
    )
    assert matches("refs/tags/v*", "refs/tags/v1.0.0-rc.1") and not matches("refs/*", "refs/tags/v1")
    assert matches("refs/**", "refs/tags/v1") and not matches("v?", "v12")


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ('A == "x"', True),
        ("A != 'x'", False),
        ('NOBODY == "x" || A == "x"', True),
        ('NOBODY != "x"', True),
        ('A in ["y", "x"]', True),
        ('not (A in ["y", "z"]) and B == "y"', True),
        ('!(A == "x") or B == "z"', False),
        ('A == "y" || A == "x" && B == "y"', True),
    ],
)
def test_expressions(expression: str, truth: bool) -> None:
    assert evaluated(expression, {"A": "x", "B": "y"}) is truth

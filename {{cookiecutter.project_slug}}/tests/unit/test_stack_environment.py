"""`.env` of the stack: made once, kept, completed, and never readable by others."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.docker.stack import environment

COMPOSE = "a: ${STACK_A_PASSWORD:?run}\nb: ${STACK_VERSION:?run}\nc: ${STACK_PORT:-1}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "VERSION").write_text("1.2.3\n")
    return tmp_path


def test_it_is_made_once(project: Path) -> None:
    made = environment.complete(project)
    text = (project / ".env").read_text()
    assert made == environment.read(project / ".env")
    assert made.keys() == {"STACK_A_PASSWORD", "STACK_VERSION", *environment.OUTSIDE}
    assert made["STACK_VERSION"] == "1.2.3"
    secrets = [value for name, value in made.items() if name != "STACK_VERSION"]
    assert len(set(secrets)) == len(secrets) == 3
    assert min(map(len, secrets)) >= 32
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    assert environment.complete(project) == made
    assert (project / ".env").read_text() == text


def test_two_projects_have_other_secrets(project: Path) -> None:
    first = environment.complete(project)
    (project / ".env").unlink()
    assert environment.complete(project)["STACK_A_PASSWORD"] != first["STACK_A_PASSWORD"]


def test_what_is_there_stays_and_what_lacks_is_added(project: Path) -> None:
    (project / ".env").write_text("# mine\nSTACK_A_PASSWORD=kept\nSTACK_PORT=7\nSTACK_VERSION=1.0.0")
    made = environment.complete(project)
    lines = (project / ".env").read_text().splitlines()
    assert lines[:3] == ["# mine", "STACK_A_PASSWORD=kept", "STACK_PORT=7"]
    assert lines[3] == "STACK_VERSION=1.2.3"
    assert made["STACK_A_PASSWORD"] == "kept"  # pragma: allowlist secret
    assert [line.partition("=")[0] for line in lines[4:]] == [*environment.OUTSIDE]


def test_an_empty_secret_is_refused(project: Path) -> None:
    (project / ".env").write_text("STACK_A_PASSWORD=\n")
    with pytest.raises(UserError, match=r"^STACK_A_PASSWORD in .*\.env is empty: give it a value"):
        environment.complete(project)
    assert (project / ".env").read_text() == "STACK_A_PASSWORD=\n"


def test_a_line_that_is_none_is_refused(project: Path) -> None:
    (project / ".env").write_text("# fine\n\nSTACK_A_PASSWORD\n")
    with pytest.raises(UserError, match=r"line 3, is neither NAME=value nor a comment"):
        environment.complete(project)


@pytest.mark.parametrize(
    ("value", "mark"), [("prod # live", "#"), ('"prod" # live', "#"), ("pa$word", "$"), ("${OTHER}", "$")]
)
def test_a_value_that_compose_reads_otherwise_is_refused(project: Path, value: str, mark: str) -> None:
    (project / ".env").write_text(f"# fine\nSTACK_ALIAS={value}\n")
    with pytest.raises(UserError) as refused:
        environment.complete(project)
    assert str(refused.value).startswith(
        f"{project / '.env'}, line 2: Compose reads {mark} in a value as more than itself"
    )
    assert (project / ".env").read_text() == f"# fine\nSTACK_ALIAS={value}\n"


def test_a_value_may_have_what_compose_leaves(project: Path) -> None:
    (project / ".env").write_text("STACK_ALIAS=a#b=c\n")
    assert environment.complete(project)["STACK_ALIAS"] == "a#b=c"


def test_a_variable_that_hides_a_secret_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_A_PASSWORD", "another")
    with pytest.raises(UserError, match=r"^the environment's STACK_A_PASSWORD would hide that of"):
        environment.complete(project)
    assert not (project / ".env").exists()

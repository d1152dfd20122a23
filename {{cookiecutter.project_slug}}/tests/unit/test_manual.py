"""What a manual pipeline takes, and the one line with which it refuses everything else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import PACKAGE, ROOT, environment_of
from tools.manual import ACTIONS, VARIABLES, asked, commands, reference

RUN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("variables", "modules", "overrides"),
    [
        ({"ACTION": "register", "RUN": RUN}, ["register"], [f"run='{RUN}'"]),
        ({"ACTION": "register", "RUN": RUN, "MODEL": "null"}, ["register"], [f"run='{RUN}'", "mlflow.model='null'"]),
        ({"ACTION": "promote", "VERSION": "3", "TO": "prod", "MODEL": ""}, ["promote"], ["version=3", "to=prod"]),
        ({"ACTION": "rollback", "VERSION": "12", "MODEL": "a.b"}, ["rollback"], ["mlflow.model='a.b'", "version=12"]),
        ({"ACTION": "retrain"}, ["fetch", "retrain"], []),
        ({"ACTION": "retrain", "EXPERIMENT": "breast_cancer"}, ["fetch", "retrain"], ["experiment=breast_cancer"]),
    ],
)
def test_a_verb_gets_its_arguments(variables, modules, overrides):
    called = commands(*asked(variables))
    assert [command[:2] for command in called] == [[sys.executable, "-m"]] * len(modules)
    assert [command[2].rpartition(".")[2] for command in called] == modules
    assert all(command[3:] == overrides for command in called)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "ACTION is '': set it to register, promote, rollback, retrain or deploy (docs/ci.md)"),
        ({"ACTION": "Promote"}, "ACTION is 'Promote': set it to register, promote, rollback, retrain or deploy (docs/ci.md)"),
        ({"ACTION": "promote; id"}, "ACTION is 'promote; id': set it to register, promote, rollback, retrain or deploy"),
        ({"ACTION": "promote", "TO": "prod"}, "VERSION is not set: ACTION=promote needs VERSION and TO"),
        ({"ACTION": "promote", "VERSION": "3"}, "TO is not set: ACTION=promote needs VERSION and TO"),
        ({"ACTION": "rollback"}, "VERSION is not set: ACTION=rollback needs VERSION"),
        ({"ACTION": "register", "RUN": ""}, "RUN is not set: ACTION=register needs RUN"),
        ({"ACTION": "rollback", "VERSION": "3", "TO": "prod"}, "TO is set, which ACTION=rollback does not take: leave it out"),
        ({"ACTION": "retrain", "RELEASE": "v1.0.0"}, "RELEASE is set, which ACTION=retrain does not take: leave it out"),
        ({"ACTION": "retrain", "OVERLAY": "prod"}, "OVERLAY is set, which ACTION=retrain does not take: leave it out"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(variables, said):
    with pytest.raises(ValueError) as refused:
        asked(variables)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *[("RUN", value) for value in ("1", RUN[:-1], RUN + "0", RUN.upper(), f"{RUN}\n", f"{RUN[:-3]}' #", "../../etc")],
        *[("VERSION", value) for value in ("0", "03", "-1", "1.0", "latest", "1 to=prod", "$(id)", "1\n", "9" * 10, "٣")],
        *[("TO", value) for value in ("dev", "archived", "Prod", "prod,staging", "prod\n", "@prod")],
        *[("MODEL", value) for value in ("a/b", "a'b", 'a"b', "a b", "a@prod", "${oc.env:HOME}", "-m", ".", "a\n", "größe")],
        *[("EXPERIMENT", value) for value in ("../x", "a,b", "a/b", "a.yaml", "a b", "'a'", "a\n")],
    ],
)  # fmt: skip
def test_a_value_that_does_not_match_is_refused(variable, value):
    (action,) = [name for name, one in ACTIONS.items() if variable in (*one.needs, *one.takes)][:1]
    given = {"RUN": RUN, "VERSION": "3", "TO": "prod"}
    needed = {name: given[name] for name in ACTIONS[action].needs}
    with pytest.raises(ValueError) as refused:
        asked({"ACTION": action, **needed, variable: value})
    assert str(refused.value) == f"{variable} is {value!r}: it has to be {VARIABLES[variable].what}"


def test_a_cron_job_names_no_action():
    assert asked({}, "retrain")[0] == ACTIONS["retrain"]


def test_what_an_alias_points_to_afterwards(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    promotion = {"ACTION": "promote", "VERSION": "3", "TO": "staging"}
    assert reference(*asked(promotion)) == f"models:/{PACKAGE}/3"
    assert reference(*asked(promotion | {"MODEL": "houses"})) == "models:/houses/3"
    assert reference(*asked({"ACTION": "rollback", "VERSION": "3"})) == f"models:/{PACKAGE}@prod"
    with pytest.raises(ValueError, match="only a promotion and a rollback move staging or prod"):
        reference(*asked({"ACTION": "retrain"}))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose verbs say what they were called with; `fetch` fails where the folder is so named."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    package = tmp_path / "src" / PACKAGE / "cli"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()  # else the package of an installed project would be taken
    for name in ("promote", "fetch"):
        (package / f"{name}.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    (tmp_path / "tools/retrain.py").write_text("import sys\nprint('trained', sys.argv[1:])\n")
    return tmp_path


def manual(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.manual", *arguments]
    environment = environment_of(PYTHONPATH="", **variables)
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def test_the_program(project: Path):
    promotion = {"ACTION": "promote", "VERSION": "3", "TO": "prod"}
    done = manual(project, **promotion)
    assert (done.returncode, done.stdout, done.stderr) == (0, "__main__ ['version=3', 'to=prod']\n", "")
    assert manual(project, "--check", **promotion).stdout == ""
    done = manual(project, "retrain", EXPERIMENT="houses")
    assert done.stdout == "__main__ ['experiment=houses']\ntrained ['experiment=houses']\n"
    done = manual(project, ACTION="rollback")
    assert (done.returncode, done.stderr) == (1, "error: VERSION is not set: ACTION=rollback needs VERSION\n")


def test_a_verb_that_fails_is_the_end(project: Path):
    fetch = project / "src" / PACKAGE / "cli/fetch.py"
    fetch.write_text("raise SystemExit(7)\n")
    done = manual(project, "retrain")
    assert (done.returncode, done.stdout) == (7, "")

"""Optional features: each is a set of paths, and off it leaves no trace."""

import difflib
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import combinations
from pathlib import Path

import pytest
from baking import FOLDER, HOOK, ROOT, Bake, check_nothing_left_out, features, owned, switched_on, tracked
from options import COMBINATIONS, EVERYTHING, IMAGES, NOTHING, PAIRWISE

MakeBake = Callable[..., Bake]
Stream = Callable[..., str]
WORDS = re.compile(
    r"(?i:dvc|(?<!grafana/provisioning/)dashboard|streamlit|nicegui|playwright|rclone)|triton(?!client)|TRITON"
)
"""Of Triton only the feature: its name and its client belong to /v2's protocol, too. Grafana has a folder so named."""
MAY_NAME_THEM = {"TEMPLATE_GUIDE.md", ".template.json"}
"""The guide describes the whole design, and the record holds the answers."""


@pytest.fixture(scope="module")
def nothing(bake: MakeBake) -> Bake:
    """A bake with every feature off."""
    return bake(**NOTHING)


@pytest.fixture(scope="module", params=EVERYTHING, ids=["streamlit", "nicegui"])
def everything(request: pytest.FixtureRequest, bake: MakeBake) -> Bake:
    """A bake with every feature on; there are two dashboards to choose from."""
    return bake(**request.param)


def test_table_names_what_is_there() -> None:
    names = [name.removeprefix(f"{FOLDER}/") for name in tracked(ROOT) if name.startswith(f"{FOLDER}/")]
    for feature, paths in features().items():
        assert paths, feature
        for path in paths:
            assert any(name == path or name.startswith(f"{path}/") for name in _filled(names)), f"{feature}: {path}"
    for name in names:
        assert sum(owned(name, feature) for feature in features()) <= 1, name


def _filled(names: list[str]) -> list[str]:
    return [name.replace(FOLDER, "SLUG") for name in names]


def test_every_pair_of_answers_is_tested() -> None:
    runs = [NOTHING, *(COMBINATIONS[name] for name in PAIRWISE)]
    for one, other in combinations(NOTHING, 2):
        wanted = {(answers[one], answers[other]) for answers in COMBINATIONS.values()}
        assert {(answers[one], answers[other]) for answers in runs} == wanted


def test_differ_in_their_paths_and_list_entries_alone(nothing: Bake, everything: Bake) -> None:
    """Files that both have: the richer one has lines more, and none that is another."""
    assert nothing.files() < everything.files()
    for name in sorted(nothing.files() - MAY_NAME_THEM):
        off, on = nothing.text(name).splitlines(), everything.text(name).splitlines()
        for kind, first, last, start, end in difflib.SequenceMatcher(None, off, on, autojunk=False).get_opcodes():
            assert kind in {"equal", "insert"}, f"{name}: {off[first:last]} became {on[start:end]}"


def test_off_leaves_no_trace(nothing: Bake) -> None:
    traces = [
        f"{name}: {line}"
        for name in sorted(nothing.files() - MAY_NAME_THEM)
        for line in [name, *nothing.text(name).splitlines()]
        if WORDS.search(line)
    ]
    assert traces == []


def test_hook_may_run_again(bake: MakeBake, tmp_path: Path) -> None:
    """As cruft does at every update: what is gone may be gone, and what is the user's own stays."""
    project = bake(project_slug="again")
    before = project.files()
    (project.path / "deployment" / "mine").mkdir()
    (project.path / "deployment" / "mine" / "notes.md").write_text("mine\n", encoding="utf-8")
    hook = tmp_path / "hook.py"
    text = HOOK.read_text(encoding="utf-8").replace("{{ cookiecutter.project_slug }}", "again")
    switches = dict.fromkeys(features(), False)
    text = re.sub(r"json\.loads\(.*?\n\)", repr(switches), text, count=1, flags=re.DOTALL)
    hook.write_text(text, encoding="utf-8")
    project.run(sys.executable, str(hook))
    project.run(sys.executable, str(hook))
    assert project.files() == before | {"deployment/mine/notes.md"}


@pytest.mark.slow
def test_static_checks(bake: MakeBake, bake_environment: Path, tmp_path: Path) -> None:
    """Style, import rules and types of all combinations, two at a time; each of the two keeps mypy's cache."""
    projects = {name: bake(**answers) for name, answers in COMBINATIONS.items()}

    def check(half: int) -> None:
        command = ["make", "style", "types", f"VENV={bake_environment}"]
        for name in [*projects][half::2]:
            try:
                printed = projects[name].run(*command, MYPY_CACHE_DIR=str(tmp_path / str(half)))
                assert "Success: no issues found" in printed
            except AssertionError as error:
                error.add_note(f"with {name}")
                raise

    with ThreadPoolExecutor(2) as pool:
        for half in [pool.submit(check, number) for number in range(2)]:
            half.result()


@pytest.mark.slow
def test_shared_tests_with_everything_on(bake: MakeBake, bake_environment: Path, stream: Stream) -> None:
    """What reads the whole configuration, and what runs the gates that it lists."""
    python = str(bake_environment / "bin" / "python")
    images, manifests = "tests/unit/test_dockerfiles.py", ["tests/unit/test_k8s.py", "tests/unit/test_k8s_wiring.py"]
    tests = [
        "tests/unit/test_config.py",
        "tests/unit/test_gates.py",
        "tests/integration/test_promotion.py",
        "tests/integration/test_promotion_gates.py",
    ]
    parallel = ["-n", "auto", "--dist", "loadfile"]
    stream(bake(**EVERYTHING[0]), python, "-m", "pytest", *parallel, *tests, images, *manifests)
    stream(bake(**EVERYTHING[1]), python, "-m", "pytest", images, *manifests)


@pytest.mark.slow
def test_tests_of_the_features(
    bake: MakeBake,
    bake_environment: Path,
    expected_files: Callable[..., set[str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What belongs to the features that are on; the suite that every bake shares runs in test_inside.py.

    Slow tests run once, and once for each dashboard where they are a dashboard's: their files are the same in all
    bakes. Three bakes at a time, with one process each: their tests wait for others much of the time.
    """
    python = str(bake_environment / "bin" / "python")
    seen: set[tuple[str, str | bool]] = set()

    def run(project: Bake, name: str, slow: list[str], fast: list[str]) -> str:
        new, known = ("", "containers or not slow") if name in IMAGES else ("not containers", "not slow")
        parts = ((slow, new), (fast, known))
        try:
            return "".join(project.run(python, "-m", "pytest", *files, "-m", which) for files, which in parts if files)
        except AssertionError as error:  # said at once: the other bakes' tests go on for minutes
            with capfd.disabled():
                print(f"\n{name}: {error}", flush=True)
            raise

    with ThreadPoolExecutor(3) as pool:
        runs = {}
        for name in PAIRWISE:
            project, answers = bake(**COMBINATIONS[name]), COMBINATIONS[name]
            shared = expected_files(project.path.name, **NOTHING)
            own = sorted(file for file in project.files() - shared if re.search(r"(^|/)test_\w+\.py$", file))
            assert len(own) >= len(switched_on(answers) - {"streamlit", "nicegui"})
            kinds = {file: (file, answers["dashboard"] if "dashboard" in file else "") for file in own}
            slow, fast = ([file for file in own if (kinds[file] in seen) is known] for known in (False, True))
            seen.update(kinds.values())
            runs[pool.submit(run, project, name, slow, fast)] = name
        for done in as_completed(runs):
            printed = done.result()
            with capfd.disabled():
                print(f"\n{runs[done]}:\n{printed}", flush=True)
            check_nothing_left_out(printed)

"""`predict` as a process that is killed, starved of disk, or started twice: no row is lost, doubled, or left lying."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine

from tests.project import PACKAGE, environment_of, make_project, run_verb
from tests.servables import CITY, ROWS, write_servable

pytestmark = pytest.mark.slow
PROGRAM = f"""
import os, runpy, signal, sys
last, folder = int(sys.argv.pop(1)), os.path.realpath(sys.argv.pop(1))
changes = 0

def watch(event, arguments):
    global changes
    if event == "open":
        changing = isinstance(arguments[1], str) and "w" in arguments[1]
    else:
        changing = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
    if changing and isinstance(arguments[0], (str, os.PathLike)):
        path = os.path.join(folder, arguments[0])  # shutil.rmtree names a file by its name alone
        if os.path.realpath(path).startswith(folder):
            if changes == last:
                os.kill(os.getpid(), signal.SIGKILL)
            changes += 1

sys.addaudithook(watch)
runpy.run_module("{PACKAGE}.cli.predict", run_name="__main__", alter_sys=True)
"""
"""Runs `predict` and kills it just before the n-th time that it changes something below a folder."""
KILLED = -signal.SIGKILL
SETTINGS = ["threads=1", "rows=10", "part_rows=20"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a servable and an input of 70 rows, two of which break the contract."""
    folder = make_project(tmp_path_factory.mktemp("kills"))
    write_servable(folder / "servable")
    rows = [ROWS[0] | {"age": float(20 + row % 60), "id": str(row), CITY: "nord"} for row in range(70)]
    rows[15]["age"] = None
    rows[63]["age"] = None
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), folder / "in.parquet", row_group_size=25)
    return folder


@pytest.fixture(scope="module")
def straight(project: Path) -> tuple[bytes, bytes]:
    """Output and rejects of a run that nothing disturbs."""
    done = run_verb(project, "predict", *overrides("straight/out.csv"))
    assert done.returncode == 0, done.stderr
    assert "2 of 70 rows break the contract: straight/out.rejects.csv" in done.stderr
    assert "68 rows scored by servable: straight/out.csv" in done.stderr
    assert contents(project / "straight").keys() == {"out.csv", "out.rejects.csv"}
    return (project / "straight/out.csv").read_bytes(), (project / "straight/out.rejects.csv").read_bytes()


def overrides(output: str) -> list[str]:
    return ["reference=servable", "input=in.parquet", f"output={output}", *SETTINGS]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed_at(project: Path, change: int, folder: str) -> int:
    (project / folder).mkdir(exist_ok=True)
    command = [sys.executable, "-c", PROGRAM, str(change), str(project / folder), *overrides(f"{folder}/out.csv")]
    done = subprocess.run(command, cwd=project, env=environment_of(), capture_output=True, text=True)
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode


def test_a_kill_before_any_change_of_the_disk_is_mended_by_another_run(project, straight):
    """Every moment between two changes is tried: while parts are written, while they are joined, between the renames."""
    whole = {"out.csv": straight[0], "out.rejects.csv": straight[1]}
    seen, change = set(), 0
    while True:
        folder = f"at-{change}"
        status = killed_at(project, change, folder)
        left = contents(project / folder)
        seen.add(state(left))
        if status == 0:
            break
        assert left.get("out.csv", whole["out.csv"]) == whole["out.csv"], "an output is whole or not there"
        steps = []
        engine = Engine(project / "servable", 1)
        score(engine, project / "in.parquet", project / folder / "out.csv", 10, None, steps.append, part_rows=20)
        finished = sum(name.endswith(".counts.json") for name in left) if PARTS + "manifest.json" in left else 0
        assert steps[0] == min(20 * finished, 70), "what is finished is not scored again"
        assert contents(project / folder) == whole
        assert sorted(path.name for path in (project / folder).iterdir()) == sorted(whole)
        change += 1
    assert contents(project / folder) == whole
    assert change >= 30
    assert seen == {"nothing", "parts", "joined", "rejects alone", "both, with parts", "both"}


PARTS = ".out.csv.parts/"


def state(left: dict[str, bytes]) -> str:
    """How far a run came."""
    parts = any(name.startswith(PARTS) for name in left)
    if "out.csv" in left:
        return "both, with parts" if parts else "both"
    if "out.rejects.csv" in left:
        return "rejects alone"
    if PARTS + "output.csv" in left:
        return "joined"
    return "parts" if parts else "nothing"


def start(project: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"{PACKAGE}.cli.predict", *more]
    return subprocess.Popen(command, cwd=project, env=environment_of(), stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def long(project: Path) -> list[str]:
    """Overrides for an input that takes many parts."""
    rows = 400_000
    columns = {
        "age": pa.array([float(20 + row % 60) for row in range(rows)]),
        "rooms per house": pa.array([3] * rows),
        "is.new": pa.array([True] * rows),
        "seen at": pa.array([1.6e9] * rows),
        CITY: pa.array(["nord", "süd"] * (rows // 2)),
        "history": pa.array([[1.0, 2.0, 3.0]] * rows),
        "income": pa.array([1.5] * rows),
        "id": pa.array([str(row) for row in range(rows)]),
    }
    pyarrow.parquet.write_table(pa.table(columns), project / "long.parquet", row_group_size=30_000)
    return ["reference=servable", "input=long.parquet", "threads=1", "rows=1000", "part_rows=10000"]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, f"it ended before {path.name} was there"
        assert time.monotonic() < deadline, f"{path.name} does not appear"
        time.sleep(0.005)


def test_a_run_killed_twice_while_it_scores_keeps_what_is_finished(project, long):
    folder = project / "twice"
    for part in (2, 9):
        process = start(project, *long, "output=twice/out.parquet")
        wait_for(folder / f".out.parquet.parts/{part:06}.counts.json", process)
        process.kill()
        process.communicate()
        assert process.returncode == KILLED
        assert not (folder / "out.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in (folder / ".out.parquet.parts").glob("*.scored.arrow")}
    done = run_verb(project, "predict", *long, "output=twice/out.parquet")
    assert done.returncode == 0, done.stderr
    assert f"{10_000 * len(kept):,} rows are finished" in done.stderr
    whole = run_verb(project, "predict", *long, "output=once/out.parquet")
    assert whole.returncode == 0, whole.stderr
    assert contents(folder) == contents(project / "once")
    got = pyarrow.parquet.read_table(folder / "out.parquet")
    assert got["id"].to_pylist() == [str(row) for row in range(400_000)]


def test_two_runs_on_one_output_at_once(project, long):
    first = start(project, *long, "output=shared/out.parquet")
    wait_for(project / "shared/.out.parquet.parts/000000.counts.json", first)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = run_verb(project, "predict", *long, "output=shared/out.parquet")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 1
    line = "error: another predict writes shared/out.parquet: wait for it, or name another output"
    assert second.stderr.splitlines()[-1] == line
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors
    assert contents(project / "shared").keys() == {"out.parquet"}


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(project, long):
    """A limit on a file's size stands for the disk: it refuses to write in the middle of the join."""
    limited = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
runpy.run_module("{PACKAGE}.cli.predict", run_name="__main__", alter_sys=True)
"""
    (project / "full").mkdir()
    (project / "full/out.csv").write_text("yesterday's")
    command = [sys.executable, "-c", limited, *long, "output=full/out.csv"]
    done = subprocess.run(command, cwd=project, env=environment_of(), capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: cannot write full/.out.csv.parts/output.csv: File too large; "), done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "full/out.csv").read_text() == "yesterday's"
    again = run_verb(project, "predict", *long, "output=full/out.csv")
    assert again.returncode == 0, again.stderr
    assert "400,000 rows are finished from a run that did not end" in again.stderr
    assert contents(project / "full").keys() == {"out.csv"}
    assert pyarrow.csv.read_csv(project / "full/out.csv")["id"].to_pylist() == list(range(400_000))


def test_ctrl_c_keeps_what_is_finished(project, long):
    process = start(project, *long, "output=stopped/out.parquet")
    wait_for(project / "stopped/.out.parquet.parts/000003.counts.json", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted"
    again = run_verb(project, "predict", *long, "output=stopped/out.parquet")
    assert again.returncode == 0, again.stderr
    assert "rows are finished from a run that did not end" in again.stderr
    assert contents(project / "stopped").keys() == {"out.parquet"}


def test_values_never_seen_are_one_warning_a_column(project):
    rows = [ROWS[0] | {"age": 20.0 + row, "id": str(row), CITY: "neu"} for row in range(80)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), project / "odd.parquet")
    done = run_verb(project, "predict", "reference=servable", "input=odd.parquet", "output=odd.csv", *SETTINGS)
    assert done.returncode == 0, done.stderr
    warnings = [line.partition("column ") for line in done.stderr.splitlines() if "WARNING" in line]
    assert [word + rest for _, word, rest in warnings] == [
        "column 'age': 9 values lie outside 18 to 90, the range of training",
        f"column {CITY!r}: 80 values are levels that training never saw",
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["output=in.parquet"], "error: the output would replace the input, in.parquet: give it another name"),
        (["output=/dev/null/out.csv"], "error: cannot write /dev/null/.out.csv.parts: Not a directory; "),
        (["output=a.csv", "input=nowhere.csv"], "error: there is no file nowhere.csv"),
        (
            ["output=a.csv", "part_rows=0"],
            "error: config: part_rows: Input should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_code_1(project, more, line):
    before = sorted(path.name for path in project.iterdir())
    done = run_verb(project, "predict", "reference=servable", "input=in.parquet", *more)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in project.iterdir()) == before

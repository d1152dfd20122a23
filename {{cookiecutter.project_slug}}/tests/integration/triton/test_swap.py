"""One version after another on a real tritonserver: under load, broken, interrupted, killed."""

import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.swap import rehearse, swap
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.project import PACKAGE, ROOT, environment_of
from tests.servables import ROWS, expected, write_servable
from tests.tritons import BIAS, CLIENTS, Triton, ask, feeds, placement, running, served

pytestmark = pytest.mark.slow


class Load:
    """Clients of both doors that ask without a pause until they are told to stop."""

    def __init__(self, triton: Triton, folders: dict[int, Path]) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self._stop, self._asked = threading.Event(), feeds(Engine(folders[1]))
        self._want = {number: expected(ROWS, bias=bias)["price_prediction"] for number, bias in BIAS.items()}
        self._threads = [threading.Thread(target=self._ask, args=(triton, door)) for door in CLIENTS]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, version: int) -> None:
        """Wait until both doors have answered with a version."""
        while not all(self.seen[door, version] for door in CLIENTS) and not self.wrong:
            self._stop.wait(0.01)

    def _ask(self, triton: Triton, door: str) -> None:
        client = triton.client(door)
        while not self._stop.is_set():
            try:
                version, got = ask(client, "house", self._asked)
            except Exception as error:  # whatever it is, a client has seen it
                self.wrong.append(f"{door}: {error!r}")
                return
            if not np.allclose(got["price_prediction"], self._want[int(version)], rtol=1e-5):
                self.wrong.append(f"{door}: version {version} answers {got}")
                return
            self.seen[door, int(version)] += 1


def test_swaps_under_load(triton: Triton, folders: dict[int, Path], house: ModelRepository) -> None:
    """Forward, and back to a lower number as a rollback does: no request fails, and none is answered wrongly."""
    with Load(triton, folders) as load:
        for number in (2, 1) * 3:
            load.until(3 - number)
            swap(triton.server(), house, placement(folders[number], number), lambda: None)
            assert served(triton, folders[1]) == number
            load.seen.clear()
            load.until(number)
    assert load.wrong == []


def test_a_version_that_does_not_load(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, placed = house.pointer, placement(folders[3], 3)
    monkeypatch.setitem(placed.files, "3/model.onnx", b"no graph")
    with pytest.raises(UserError, match=r"load failed for model 'house~sync': version 3 is at UNAVAILABLE state"):
        swap(triton.server(), house, placed, lambda: None)
    assert (served(triton, folders[1]), house.pointer, 3 in house.versions) == (1, before, False)


def test_a_version_that_answers_otherwise(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found in the rehearsal, before a client is answered by it."""
    before, placed = house.pointer, placement(folders[3], 3)
    monkeypatch.setitem(placed.files, "3/model.onnx", (folders[2] / "model.onnx").read_bytes())
    with pytest.raises(UserError, match=r"^house version 3 at .+: 4 of 5 golden rows differ; row \d of price by "):
        swap(triton.server(), house, placed, lambda: None)
    assert (served(triton, folders[1]), house.pointer, 3 in house.versions) == (1, before, False)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            True,
            r"^house version 3 at .+: 4 of 5 golden rows differ; .+; version 1 serves; does the server read /.+\?$",
        ),
        (False, r"load failed for model 'house': version 3 is at UNAVAILABLE state: .+; version 1 serves; "),
    ],
)
def test_a_graph_that_is_tampered_with_in_the_repository(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, other: bool, message: str
) -> None:
    """After the rehearsal: the version that served before is restored, and the right graph can be synced."""
    before, graph = house.pointer, triton.repository / "house/3/model.onnx"
    steps = iter(["rehearsed", "added"])

    def tamper() -> None:
        if next(steps, None) == "added":
            graph.write_bytes((folders[2] / "model.onnx").read_bytes() if other else b"no graph")

    with pytest.raises(UserError, match=message):
        swap(triton.server(), house, placement(folders[3], 3), tamper)
    assert (served(triton, folders[1]), house.pointer) == (1, before)
    with pytest.raises(UserError, match=r"house/3/model\.onnx is another graph: remove"):
        swap(triton.server(), house, placement(folders[3], 3), lambda: None)
    shutil.rmtree(graph.parent)
    assert served(triton, folders[1]) == 1
    swap(triton.server(), house, placement(folders[3], 3), lambda: None)
    assert served(triton, folders[1]) == 3


@pytest.mark.parametrize("step", [3, 4, 5])
def test_an_interruption(triton: Triton, folders: dict[int, Path], house: ModelRepository, step: int) -> None:
    """After the configuration is written, after the load, after the last check."""
    before, steps = house.pointer, iter(range(1, 6))

    def interrupt() -> None:
        if next(steps) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swap(triton.server(), house, placement(folders[2], 2), interrupt)
    assert (served(triton, folders[1]), house.pointer) == (1, before)


SYNC = """
import os, signal, sys
from pathlib import Path
from {package}.integrations.triton.repository import ModelRepository
from {package}.integrations.triton.server import Server
from {package}.integrations.triton.swap import swap
from {package}.utils.interruption import held_back
from tests.tritons import placement

address, root, folder, step, number = sys.argv[1:]
left = int(step)
repository = ModelRepository(Path(root), "house")
with held_back() as interruption, repository.locked():
    def pause():
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), int(number))
        interruption()
    swap(Server(address, 60), repository, placement(Path(folder), 2), pause)
"""


def killed_sync(triton: Triton, folder: Path, step: int, sig: signal.Signals) -> int:
    """A sync to version 2 in a process of its own, which gets a signal after a step; its exit code."""
    arguments = [triton.http, str(triton.repository), str(folder), str(step), str(int(sig))]
    command = [sys.executable, "-c", SYNC.format(package=PACKAGE), *arguments]
    environment = environment_of(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
    return subprocess.run(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE).returncode


def test_kills(triton: Triton, folders: dict[int, Path], house: ModelRepository) -> None:
    """After each step: what serves is right, and the next sync finishes."""
    serving = {}
    for step in (1, 2, 3, 4):  # rehearsed, added, named, loaded
        assert killed_sync(triton, folders[2], step, signal.SIGKILL) == -signal.SIGKILL
        serving[step] = served(triton, folders[1])
    assert serving == {1: 1, 2: 1, 3: 1, 4: 2}
    swap(triton.server(), house, placement(folders[2], 2), lambda: None)
    assert (served(triton, folders[1]), house.pointer) == (2, house.config(2))


def test_a_rehearsal_that_a_kill_left_loaded(triton: Triton, folders: dict[int, Path], house: ModelRepository) -> None:
    triton.server().load_aside("house~sync", placement(folders[3], 3))
    swap(triton.server(), house, placement(folders[2], 2), lambda: None)
    assert served(triton, folders[1]) == 2
    assert not triton.client().is_model_ready("house~sync")


def test_a_signal_waits_for_the_step_and_then_restores(
    triton: Triton, folders: dict[int, Path], house: ModelRepository
) -> None:
    before = house.pointer
    assert killed_sync(triton, folders[2], 4, signal.SIGINT) == -signal.SIGINT  # Python's own end by KeyboardInterrupt
    assert (served(triton, folders[1]), house.pointer) == (1, before)


def failing(step: int) -> Callable[[], None]:
    """A pause that is a failure after a step."""
    steps = iter(range(1, 6))

    def fail() -> None:
        if next(steps) == step:
            raise UserError("no")

    return fail


def test_after_a_kill_a_failure_restores_what_serves(
    triton: Triton, folders: dict[int, Path], house: ModelRepository
) -> None:
    """The configuration names version 2, which no server has checked; version 1 serves, and stays."""
    house.add(placement(folders[2], 2))
    house.point(house.config(2))
    with pytest.raises(UserError, match=r"^no; version 1 serves; "):
        swap(triton.server(), house, placement(folders[3], 3), failing(3))
    assert (served(triton, folders[1]), house.pointer) == (1, house.config(1))


def test_a_served_version_that_somebody_removed(
    triton: Triton, folders: dict[int, Path], house: ModelRepository
) -> None:
    """There is no way back to it: the server gets what the configuration named, and the message says so."""
    house.add(placement(folders[2], 2))
    house.point(house.config(2))
    shutil.rmtree(triton.repository / "house/1")
    with pytest.raises(UserError, match=r"^no; version 2 serves; "):
        swap(triton.server(), house, placement(folders[3], 3), failing(4))
    assert (served(triton, folders[1]), house.pointer) == (2, house.config(2))


def test_a_server_that_dies_in_the_midst(folders: dict[int, Path], tmp_path: Path) -> None:
    """Nobody knows what it serves; the repository is as before, and so is the server when it comes back."""
    house = ModelRepository(tmp_path / "models", "house")
    with running(house.root) as triton:
        swap(triton.server(), house, placement(folders[1], 1), lambda: None)
        before, steps = house.pointer, iter(range(1, 6))
        message = r"^no Triton answers at .+; what the server serves now is not known; does the server read "
        with pytest.raises(UserError, match=message):
            swap(triton.server(), house, placement(folders[2], 2), lambda: triton.kill() if next(steps) == 3 else None)
    assert house.pointer == before
    with running(house.root) as triton:
        assert served(triton, folders[1]) == 1


@pytest.mark.parametrize("role", ["sync", "gate-2"])
def test_a_model_whose_name_ends_like_a_rehearsal(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, tmp_path: Path, role: str
) -> None:
    """It is served before and after."""
    other = placement(write_servable(tmp_path / "other", name=f"house.{role}"), 1)
    swap(triton.server(), ModelRepository(triton.repository, other.name), other, lambda: None)
    rehearse(triton.server(), placement(folders[2], 2), role)
    assert triton.server().version(other.name) == 1


def test_the_first_version_that_fails_leaves_nothing(triton: Triton, tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "s", name="first")
    repository = ModelRepository(triton.repository, "first")
    with pytest.raises(UserError, match=r"^no; nothing is served; "):
        swap(triton.server(), repository, placement(folder, 1), failing(4))
    assert repository.pointer is None
    assert triton.server().version("first") is None

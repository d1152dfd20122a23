"""How the model repository changes on disk, and what a kill leaves of it."""

import shutil
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.tritons import parsed, placement


def test_versions_stand_beside_each_other(tmp_path: Path, price: Path) -> None:
    repository = ModelRepository(tmp_path / "models", "house")
    assert (repository.versions, repository.pointer) == ([], None)
    for number in (9, 10, 2):
        repository.add(placement(price, number))
    assert repository.versions == [10, 9, 2]
    assert repository.pointer is None  # nothing is served by being there
    assert (tmp_path / "models/house/9/model.onnx").read_bytes() == (price / "model.onnx").read_bytes()
    repository.point(repository.config(9))
    assert repository.pointer is not None
    assert list(parsed(repository.pointer).version_policy.specific.versions) == [9]
    assert repository.prune(2, served=2) == [9]
    assert repository.versions == [10, 2]
    assert not (tmp_path / "models/house/warmup/9").exists()
    assert repository.prune(1, served=2) == [10]
    repository.point(None)
    assert repository.pointer is None


def test_settings_of_a_version_may_change_and_its_graph_may_not(tmp_path: Path, price: Path, risk: Path) -> None:
    repository = ModelRepository(tmp_path, "house")
    repository.add(placement(price, 1))
    repository.add(placement(price, 1, max_batch_size=8))
    assert parsed(repository.config(1)).max_batch_size == 8
    with pytest.raises(
        UserError, match=r"house/1/model\.onnx is another graph: remove .+, or name another repository$"
    ):
        repository.add(placement(risk, 1))
    assert (tmp_path / "house/1/model.onnx").read_bytes() == (price / "model.onnx").read_bytes()


def test_what_a_kill_left_behind(tmp_path: Path, price: Path) -> None:
    for left in ("house/.3.0a1b2c3d", "house/warmup/.3.0a1b2c3d", "house/warmup/3"):
        (tmp_path / left).mkdir(parents=True)
        (tmp_path / left / "half").write_text("half")
    ModelRepository(tmp_path, "house").add(placement(price, 3))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"house/3/model.onnx", "house/3/config.pbtxt", *(f"house/warmup/3/{i}" for i in range(7))}


def test_what_a_kill_leaves_of_a_version_that_goes(
    tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half of it stands among the others, and it can be put there again."""
    repository = ModelRepository(tmp_path, "house")
    for number in (1, 2):
        repository.add(placement(price, number))

    def killed(folder: Path) -> None:
        (folder / "model.onnx").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            repository.prune(1, served=2)
    assert repository.versions == [2]
    repository.add(placement(price, 1))
    assert repository.versions == [2, 1]
    assert {path.name for path in (tmp_path / "house").iterdir()} == {"1", "2", "warmup"}
    assert repository.prune(1, served=2) == [1]

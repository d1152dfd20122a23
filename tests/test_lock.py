"""What one machine cannot run is resolved: every offered Python on every platform."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
from baking import Bake
from options import EVERYTHING, Answers
from uv import find_uv_bin

MakeBake = Callable[..., Bake]
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = ["linux", "macos", "windows"]


@pytest.mark.slow
@pytest.mark.parametrize("answers", EVERYTHING, ids=["streamlit", "nicegui"])
def test_resolves(bake: MakeBake, answers: Answers) -> None:
    """PyTorch's own index is left out: the versions are the package index's. onnxruntime wants macOS 14."""
    projects = {python: bake(project_slug="resolved", python_version=python, **answers) for python in PYTHONS}

    def resolve(python: str, platform: str) -> set[str]:
        project = projects[python]
        extras = [word for extra in project.extras() for word in ("--extra", extra)]
        target = ["--python-version", python, "--python-platform", platform]
        resolved = project.run(
            find_uv_bin(), "pip", "compile", "--no-sources", "--no-header", "--no-annotate", *target, *extras,
            "--group", "dev", "--group", "mlflow-server", "pyproject.toml",
            MACOSX_DEPLOYMENT_TARGET="14.0", UV_PYTHON_DOWNLOADS="never",
        )  # fmt: skip
        return {line.split("==")[0] for line in resolved.splitlines() if "==" in line}

    with ThreadPoolExecutor(len(PYTHONS)) as pool:  # uv waits for the index most of the time
        for names in pool.map(resolve, *zip(*product(PYTHONS, PLATFORMS), strict=True)):
            assert {"torch", "lightning", "mlflow", "onnxruntime", "fastapi", "pyarrow", "pytest"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_source_is_valid_for(bake: MakeBake, bake_environment: Path, python: str) -> None:
    """Ruff reports syntax and names that the chosen Python does not have."""
    project = bake(project_slug="valid", python_version=python, **EVERYTHING[0])
    ruff = str(bake_environment / "bin" / "ruff")
    target = f"py{python.replace('.', '')}"
    project.run(ruff, "check", "--target-version", target, "--select", "E9,F", ".")

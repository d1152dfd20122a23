"""The notebook runs, and what it finds is what the default experiment does."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from {{ cookiecutter.project_slug }}.utils.verb import compose

from tests.project import environment_of, make_project

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks/01_choose_features_and_model.ipynb"
ANSWER = "import json\nprint(json.dumps({'model': model, 'exclude': dropped}))"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel of this interpreter that reads and leaves nothing in the home folder."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "this interpreter",
        "language": "python",
    }
    folder = tmp_path / "jupyter/kernels/this"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    return "this"


def test_the_notebook_finds_what_the_default_experiment_says(tmp_path, monkeypatch, kernel):
    project = make_project(tmp_path / "project")
    shutil.copytree(ROOT / "notebooks", project / "notebooks")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    notebook.cells.append(nbformat.v4.new_code_cell(ANSWER))
    resources = {"metadata": {"path": str(project / "notebooks")}}
    client = NotebookClient(notebook, timeout=300, kernel_name=kernel, resources=resources)
    client.execute(env=environment_of())
    found = json.loads(notebook.cells[-1].outputs[0]["text"])

    monkeypatch.chdir(project)
    default = compose("train", ["trainer.checkpoints=null"])
    assert sorted(default.features.exclude) == sorted(found["exclude"])
    assert default.model == compose("train", ["trainer.checkpoints=null", f"model={found['model']}"]).model

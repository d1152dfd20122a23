"""Drop what was not asked for: a feature is the set of paths that it owns."""

import json
import shutil
from pathlib import Path

SLUG = "{{ cookiecutter.project_slug }}"
# Which features the answers switch on.
ON = json.loads(
    r"""{{ {
        "use_dvc": cookiecutter.use_dvc,
        "dashboard": cookiecutter.dashboard != "none",
        "streamlit": cookiecutter.dashboard == "streamlit",
        "nicegui": cookiecutter.dashboard == "nicegui",
        "use_triton": cookiecutter.use_triton,
    } | tojson }}""",
)
# Files and folders by feature; SLUG stands for the package. What only one dashboard needs stands under its name.
PATHS: dict[str, list[str]] = {
    "use_dvc": [
        ".dvc",
        ".dvcignore",
        "dvc.yaml",
        "pipeline",
        "tools",
        "docs/dvc.md",
        "tests/pipelines.py",
        "tests/stores.py",
        "tests/unit/test_dvc_pipeline.py",
        "tests/integration/test_dvc.py",
    ],
    "dashboard": [],
    "streamlit": [],
    "nicegui": [],
    "use_triton": [
        "config/triton",
        "config/triton.yaml",
        "deployment/triton",
        "docs/triton.md",
        "src/SLUG/cli/triton.py",
        "src/SLUG/integrations/triton",
        "src/SLUG/schemas/triton.py",
        "tests/integration/test_docs_triton.py",
        "tests/integration/test_triton.py",
        "tests/integration/test_triton_gate.py",
        "tests/integration/test_triton_swap.py",
        "tests/tritons.py",
        "tests/unit/test_triton.py",
    ],
}


def drop(path: Path) -> None:
    """Remove a file or a folder, and the folders that held nothing else; gone already is well."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    for folder in path.parents[:-1]:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    for feature, paths in PATHS.items():
        if not ON[feature]:
            for path in paths:
                drop(Path(path.replace("SLUG", SLUG)))

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
        "tools/dvc_hash.py",
        "docs/dvc.md",
        "src/SLUG/integrations/dvc.py",
        "tests/pipelines.py",
        "tests/stores.py",
        "tests/unit/test_dvc_pipeline.py",
        "tests/integration/test_dvc.py",
        "tests/integration/test_dvc_store.py",
    ],
    "dashboard": [
        "config/dashboard.yaml",
        "deployment/dashboards/README.md",
        "deployment/dashboards/__init__.py",
        "deployment/dashboards/__main__.py",
        "deployment/dashboards/answers.py",
        "deployment/dashboards/client.py",
        "deployment/dashboards/comparison.py",
        "deployment/dashboards/facts.py",
        "deployment/dashboards/form.py",
        "deployment/dashboards/results.py",
        "deployment/dashboards/served.py",
        "deployment/dashboards/session.py",
        "deployment/dashboards/sweep.py",
        "deployment/dashboards/tables.py",
        "deployment/dashboards/words.py",
        "deployment/docker/dashboard.Dockerfile",
        "deployment/k8s/components/dashboard",
        "docs/dashboard.md",
        "src/SLUG/schemas/dashboard.py",
        "tests/dashboard_sessions.py",
        "tests/dashboard_world.py",
        "tests/dashboards.py",
        "tests/integration/test_dashboard.py",
        "tests/integration/test_dashboard_image.py",
        "tests/integration/test_dashboard_start.py",
        "tests/integration/test_docs_dashboard.py",
        "tests/integration/test_k8s_dashboard.py",
        "tests/unit/test_dashboard_client.py",
        "tests/unit/test_dashboard_comparison.py",
        "tests/unit/test_dashboard_form.py",
        "tests/unit/test_dashboard_session.py",
        "tests/unit/test_dashboard_settings.py",
        "tests/unit/test_dashboard_sweep.py",
        "tests/unit/test_dashboard_tables.py",
        "tests/unit/test_dashboard_words.py",
        "tests/unit/test_k8s_dashboard.py",
    ],
    "streamlit": [
        "deployment/dashboards/streamlit_app.py",
        "deployment/dashboards/streamlit_background.py",
        "deployment/dashboards/streamlit_model.py",
        "deployment/dashboards/streamlit_predict.py",
        "deployment/dashboards/streamlit_script.py",
        "deployment/dashboards/streamlit_tables.py",
        "deployment/dashboards/streamlit_text.py",
        "tests/streamlit_app_page.py",
        "tests/unit/test_streamlit_background.py",
    ],
    "nicegui": [
        "deployment/dashboards/nicegui_app.py",
        "deployment/dashboards/nicegui_model.py",
        "deployment/dashboards/nicegui_parts.py",
        "deployment/dashboards/nicegui_predict.py",
        "deployment/dashboards/nicegui_tables.py",
        "tests/nicegui_app_page.py",
    ],
    "use_triton": [
        "config/triton",
        "config/triton.yaml",
        "deployment/k8s/components/metrics/triton.yaml",
        "deployment/k8s/components/triton",
        "deployment/k8s/overlays/prod/triton.yaml",
        "deployment/k8s/overlays/staging/triton.yaml",
        "deployment/triton",
        "docs/triton.md",
        "src/SLUG/cli/triton.py",
        "src/SLUG/integrations/triton",
        "src/SLUG/schemas/triton.py",
        "tests/integration/test_docs_triton.py",
        "tests/integration/triton",
        "tests/tritons.py",
        "tests/unit/test_k8s_triton.py",
        "tests/unit/triton",
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

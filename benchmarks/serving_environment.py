"""How large is an environment that can only serve, and does the service start in it?"""

import argparse
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import baked, note, row, seconds
from uv import find_uv_bin

GOAL = 300
HEAVY = ("torch", "pandas", "pyarrow", "sklearn", "lightning")
START = f"""
import importlib.util, sys
from deployment.api.app import create_app
sys.exit(bool([name for name in {HEAVY} if importlib.util.find_spec(name)]))
"""


def megabytes(folder: Path) -> float:
    """Bytes of all files, in 10^6."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def main() -> None:
    """Install the project with its `api` extra alone, weigh it without and with bytecode, import the service."""
    from baking import clean_env

    uv, wheels = find_uv_bin(), os.environ.get("PIP_FIND_LINKS")
    sources = {"UV_NO_SOURCES": "1", "UV_FIND_LINKS": wheels} if wheels else {}
    with baked() as project, TemporaryDirectory() as name:
        venv = Path(name) / "venv"
        python = str(venv / "bin" / "python")
        project.run(uv, "venv", str(venv))
        install = [uv, "pip", "install", "--python", python, f"{project.path}[api]"]
        took = seconds([*install, "--quiet"], project.path, UV_COMPILE_BYTECODE="0", **sources)
        note(f"installed in {took:.1f} s")
        plain = megabytes(venv)
        project.run(python, "-m", "compileall", "-q", str(venv / "lib"))
        compiled = megabytes(venv)
        started = subprocess.run([python, "-c", START], cwd=project.path, env=clean_env()).returncode == 0
    row(
        "serving environment with bytecode, MB",
        f"{compiled:.0f}, the service {'starts' if started else '**does not start**'} in it",
        f"≤ {GOAL}",
        compiled <= GOAL and started,
        f"{plain:.0f} without bytecode",
    )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()

"""Where the local server is installed: an environment of its own, since Triton's Python backend needs numpy 1."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.files import replacing

VARIABLE = "TRITON_LOCAL"
"""Names a folder that several projects share; without it each has its own `.triton/`."""
FOLDER = ".triton"
PACKAGES = (
    "nvidia-pytriton==0.7.0",  # holds tritonserver 2.51.0 and the Python backend
    "onnxruntime==1.27.0",  # that of Triton 26.08
    "numpy>=1.26,<2",  # with 2 the tensors are corrupt in silence
    "flatbuffers>=25",
    "packaging>=25",
    "protobuf>=6",
)
PYTHONS = ("3.11", "3.12")
"""Minor versions that have numpy 1 and a backend."""
STAND_IN = Path(__file__).parent / "onnxruntime" / "model.py"


@dataclass(frozen=True)
class Installed:
    """The local server, ready to start."""

    folder: Path

    def command(self, repository: Path, http: str, grpc: str) -> list[str]:
        """The server in explicit model control mode, with whatever the repository holds loaded.

        Args:
            repository: the model repository.
            http: host:port.
            grpc: host:port.
        """
        (http_host, _, http_port), (grpc_host, _, grpc_port) = http.rpartition(":"), grpc.rpartition(":")
        return [
            str(self._site / "pytriton/tritonserver/bin/tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={self.backends}",
            *("--model-control-mode=explicit", "--load-model=*", "--disable-auto-complete-config"),
            *("--strict-readiness=false", "--exit-on-error=false", "--exit-timeout-secs=5"),
            *(f"--http-address={http_host}", f"--http-port={http_port}"),
            *(f"--grpc-address={grpc_host}", f"--grpc-port={grpc_port}"),
            *("--allow-metrics=false", "--allow-gpu-metrics=false"),
        ]

    def environment(self) -> dict[str, str]:
        """This process's variables, with the server's libraries and Python before all others."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        library = _asked(self.python, "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")
        return kept | {
            "LD_LIBRARY_PATH": os.pathsep.join([library, str(self._site / "nvidia_pytriton.libs")]),
            "PATH": os.pathsep.join([str(self.python.parent), kept.get("PATH", "")]),
        }

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "venv/bin/python"

    @property
    def backends(self) -> Path:
        """Triton's Python backend, and the stand-in; inside the environment, which linters leave alone."""
        return self.folder / "venv/backends"

    @property
    def _site(self) -> Path:
        (found,) = (self.folder / "venv/lib").glob("python3.*/site-packages")
        return found


def home() -> Path:
    """Where the server is installed."""
    return Path(os.environ.get(VARIABLE) or FOLDER).resolve()


def install(folder: Path) -> Installed:
    """Install the server unless it is there, and put this project's stand-in beside its backends.

    Args:
        folder: see `home`.

    Raises:
        UserError: the machine or its Python cannot run it, or a package cannot be had.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise UserError("the local tritonserver runs on Linux on x86-64 alone: use the release image")
    installed, record, wanted = Installed(folder), folder / "installed.txt", "\n".join(PACKAGES) + "\n"
    with _locked(folder):
        if not record.is_file() or record.read_text(encoding="utf-8") != wanted:
            record.unlink(missing_ok=True)
            _make(installed)
            record.write_text(wanted, encoding="utf-8")
        with replacing(installed.backends / "onnxruntime/model.py") as aside:
            shutil.copy(STAND_IN, aside)
    return installed


def _make(installed: Installed) -> None:
    uv = shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(".uv/bin").resolve())]))
    if uv is None:
        raise UserError("there is no uv: run make setup first")
    here = f"3.{sys.version_info.minor}"
    version = here if here in PYTHONS else PYTHONS[-1]
    _run([uv, "venv", "--quiet", "--clear", "--python", version, str(installed.folder / "venv")])
    if _asked(installed.python, "import sysconfig; print(sysconfig.get_config_var('Py_ENABLE_SHARED'))") != "1":
        raise UserError(f"Python {version} here has no shared library, which Triton's Python backend needs")
    _run([uv, "pip", "install", "--quiet", "--no-deps", "--python", str(installed.python), *PACKAGES])
    (server,) = (installed.folder / "venv/lib").glob("python3.*/site-packages/pytriton/tritonserver")
    backend = installed.backends / "python"
    shutil.copytree(server / "backends/python", backend, dirs_exist_ok=True)
    shutil.copy(server / f"python_backend_stubs/{version}/triton_python_backend_stub", backend)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"the local tritonserver cannot be installed ({reason.strip()})")


def _asked(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process installs into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

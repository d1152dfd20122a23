"""A real MLflow server with the accounts of the stack, on a free port of the loopback address."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment.docker.stack.accounts import Door, settle
from tests.containers import PATIENCE, answers
from tests.ports import free_ports
from tests.project import PACKAGE, ROOT, environment_of

PASSWORDS = {name: f"{name}-has-this-password" for name in ("admin", "ci", "people", "reader")}


@dataclass(frozen=True)
class RegistryServer:
    """One that answers, and has the accounts."""

    url: str
    log: Path

    @property
    def database(self) -> Path:
        """The file that it keeps runs and versions in."""
        return self.log.with_name("mlflow.db")

    def account(self, name: str) -> dict[str, str]:
        """What one of the accounts has in its environment."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": PASSWORDS[name],
        }

    def door(self, name: str) -> Door:
        """Its API, as one of the accounts."""
        return Door(self.url, name, PASSWORDS[name])

    def aliases(self, model: str = PACKAGE) -> dict[str, str]:
        """Every alias of a model, read back by somebody who may only read."""
        found = self.door("reader").done("GET", "2.0/mlflow/registered-models/get", name=model)
        return {one["alias"]: one["version"] for one in found["registered_model"].get("aliases", ())}

    def versions(self, model: str = PACKAGE) -> list[str]:
        """The numbers of all versions of a model, in order."""
        found = self.door("reader").done("GET", "2.0/mlflow/model-versions/search", filter=f"name='{model}'")
        return sorted((one["version"] for one in found.get("model_versions", ())), key=int)

    def version(self, number: str, model: str = PACKAGE) -> dict[str, Any]:
        """What the API says of a version, its tags as a map."""
        found = self.door("reader").done("GET", "2.0/mlflow/model-versions/get", name=model, version=number)
        version = dict(found["model_version"])
        return version | {"tags": {tag["key"]: tag["value"] for tag in version.get("tags", ())}}


@contextmanager
def running(folder: Path) -> Iterator[RegistryServer]:
    """A server that is stopped in the end; what it holds is below `folder`, which is made."""
    folder.mkdir()
    (port,) = free_ports(1)
    settings = (ROOT / "deployment/docker/basic_auth.ini").read_text(encoding="utf-8")
    accounts = folder / "accounts.ini"
    accounts.write_text(settings.replace("sqlite:////app/outputs/", f"sqlite:///{folder}/"), encoding="utf-8")
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1",
        "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = environment_of(
        MLFLOW_AUTH_CONFIG_PATH=str(accounts),
        MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORDS["admin"],
        MLFLOW_FLASK_SERVER_SECRET_KEY=secrets.token_hex(16),
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    )
    server = RegistryServer(f"http://127.0.0.1:{port}", folder / "server.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"{server.url}/health"):
            assert process.poll() is None and time.monotonic() < deadline, server.log.read_text(encoding="utf-8")
            time.sleep(0.1)
        settle(server.url, PASSWORDS, [(PACKAGE, PACKAGE)])
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)

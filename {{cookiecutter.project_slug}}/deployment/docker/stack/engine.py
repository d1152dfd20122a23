"""Compose and the engine behind it, as they are called in the project's root."""

import json
import subprocess
from pathlib import Path
from typing import IO, Any

from {{ cookiecutter.project_slug }}.ports import UserError

QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Engine:
    """The stack of one project.

    Args:
        project: the folder of compose.yaml.
        profiles: what runs beside the services that always do.
    """

    def __init__(self, project: Path, profiles: list[str]) -> None:
        self._project = project
        self._compose = ["docker", "compose", *(word for name in profiles for word in ("--profile", name))]
        if self._call(["docker", "info"], **QUIET):
            raise UserError("no container engine answers `docker info`: start one, or set DOCKER_HOST")

    def compose(self, *arguments: str, source: IO[bytes] | None = None, target: IO[bytes] | None = None) -> None:
        """Run a command of Compose, with a file as its input or output where one is given.

        Raises:
            UserError: it failed; it has said why.
        """
        if self._call([*self._compose, *arguments], stdin=source or subprocess.DEVNULL, stdout=target):
            raise UserError(f"`docker compose {arguments[0]}` failed; what it says is above, and `docker compose logs`")

    def config(self) -> dict[str, Any]:
        """compose.yaml with every variable filled in, and only the services of the profiles."""
        return dict(json.loads(self._said([*self._compose, "config", "--format", "json"])))

    def volumes(self) -> list[str]:
        """Those of this stack that exist; no secret needs to be known."""
        config = json.loads(self._said([*self._compose, "config", "--no-interpolate", "--format", "json"]))
        label = f"label=com.docker.compose.project={config['name']}"
        return self._said(["docker", "volume", "ls", "--quiet", "--filter", label]).split()

    def address(self, service: str, port: int) -> str:
        """Where this machine reaches a service."""
        return "http://" + self._said([*self._compose, "port", service, str(port)]).strip()

    def check_images(self, version: str) -> None:
        """Refuse to go on where an image of the project is not built: those are what has its version as tag.

        Raises:
            UserError: one is not there.
        """
        for image in sorted({service["image"] for service in self.config()["services"].values()}):
            command = ["docker", "image", "inspect", image]
            if "/" not in image and image.endswith(f":{version}") and self._call(command, **QUIET):
                raise UserError(f"there is no image {image}: run make images")

    def _call(self, command: list[str], **streams: Any) -> int:
        try:
            return subprocess.run(command, cwd=self._project, **streams).returncode
        except FileNotFoundError:
            raise UserError("there is no docker on the PATH: install Docker with its Compose plugin") from None

    def _said(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self._project, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"`{' '.join(command[:3])} …` failed: {done.stderr.strip()}")
        return done.stdout

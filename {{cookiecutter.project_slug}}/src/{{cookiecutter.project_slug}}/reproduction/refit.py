"""The refit itself: a process with the commit's code and the raw bytes, which knows no registry."""

import copy
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..ports import RunFacts, UserError
from . import runner
from .recipe import Recipe

PACKAGE = __package__.split(".")[0]
HIDDEN = ("MLFLOW_", "_MLFLOW_", "GIT_", "DATABRICKS_")
"""Beginnings of variables that lead to a registry, or to another repository than the checkout."""
STOP_SECONDS = 10


@dataclass(frozen=True)
class Workshop:
    """A folder with the commit's checkout, in which everything that a refit writes stays."""

    home: Path
    log: Path
    """A file that gets what the processes print."""

    @property
    def checkout(self) -> Path:
        """Where the commit is."""
        return self.home / "checkout"

    def fetch(self, recipe: Recipe, python: str) -> Path:
        """Ask the table's source for it, with the commit's code.

        Raises:
            UserError: the source does not give it.
        """
        config = self._config(recipe)
        config["data"]["raw_dir"] = str(self.home / "fetched")
        if config["data"].get("path") is not None:  # a path is the project's, and the checkout is another folder
            config["data"]["path"] = str(Path(config["data"]["path"]).absolute())
        return Path(self._verb("fetch", config, python, recipe.threads)["path"])

    def train(self, recipe: Recipe, python: str, raw: Path) -> tuple[RunFacts, Path]:
        """Fit the model anew on these bytes, and return what the run recorded and the servable's folder.

        Raises:
            UserError: the training fails.
        """
        config, folder = self._config(recipe), self.home / "raw"
        folder.mkdir()
        shutil.copyfile(raw, folder / raw.name)
        config["data"] |= {"path": str(folder / raw.name), "raw_dir": str(folder)}
        logged = self._verb("train", config, python, recipe.threads)
        return RunFacts(logged["metrics"], logged["tags"]), self.home / "kept/servable"

    def run(self, command: Sequence[str], more: Mapping[str, str]) -> None:
        """Run a command in the checkout; it is stopped where this process is interrupted.

        Raises:
            UserError: it fails; the message is the last line that it printed.
        """
        environment = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.checkout, env=environment | dict(more), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait()
            except BaseException:
                _stop(process)
                raise
        if code:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            said = lines[-1].removeprefix("error: ") if lines else f"exit code {code}"
            raise UserError(f"{said} ({os.path.relpath(self.log)} has all of it)")

    def _verb(self, verb: str, config: Mapping[str, Any], python: str, threads: str | None) -> dict[str, Any]:
        given, answer = self.home / f"{verb}.yaml", self.home / f"{verb}.json"
        given.write_text(OmegaConf.to_yaml(OmegaConf.create(dict(config))), encoding="utf-8")
        script = Path(runner.__file__).resolve()
        more = {"PYTHONPATH": str(self.checkout / "src")}
        if threads is not None:
            more["OMP_NUM_THREADS"] = threads
        self.run([python, "-P", str(script), PACKAGE, verb, str(given), str(answer)], more)
        document: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return document

    def _config(self, recipe: Recipe) -> dict[str, Any]:
        """The recorded configuration with every place to read from and write to in this folder."""
        config = copy.deepcopy(recipe.config)
        config["data"]["processed_dir"] = str(self.home / "processed")
        config["mlflow"] |= {"tracking_uri": f"sqlite:///{self.home / 'mlflow.db'}", "register": False}
        config["logging"]["file"] = None
        config |= {"keep": str(self.home / "kept"), "progress": False}
        # a training that was resumed ends as a straight one does; its checkpoint is no recorded fact
        for trainer in (config.get("trainer"), config.get("model", {}).get("trainer")):
            if trainer is not None:
                trainer["resume"] = None
                if trainer.get("checkpoints") is not None:
                    trainer["checkpoints"] = str(self.home / "checkpoints")
        return config


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""Raw tables that DVC keeps: in the project's cache, or in its remote."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from loguru import logger

from ..ports import RawTable
from ..utils.files import sha256

LOCAL = Path(".dvc/config.local")
"""Keys and addresses of this machine, which git does not have."""


@dataclass(frozen=True)
class DvcStore:
    """What the commit's dvc.lock and .dvc files name; a RawStore."""

    def find(self, table: RawTable, checkout: Path) -> Path | None:
        """Have DVC put the table's folder or file into the checkout, and return the file with its bytes."""
        if not (checkout / ".dvc").is_dir() or find_spec("dvc") is None:
            return None
        if LOCAL.is_file():
            shutil.copyfile(LOCAL, checkout / LOCAL)
        cache = _dvc(Path.cwd(), "cache", "dir")
        if cache.returncode == 0:  # else the checkout fills a cache of its own from the remote
            _dvc(checkout, "config", "--local", "cache.dir", cache.stdout.strip())
        for place in table.places:
            if Path(place).is_absolute():
                continue
            done = _dvc(checkout, "pull", place)
            if done.returncode:
                logger.info("DVC does not give {}: {}", place, " ".join(done.stderr.split()))
            path = checkout / place
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            found = next((one for one in files if one.is_file() and sha256(one) == table.fingerprint), None)
            if found is not None:
                return found
        return None


def _dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]  # a remote that asks for a password would ask nobody
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)

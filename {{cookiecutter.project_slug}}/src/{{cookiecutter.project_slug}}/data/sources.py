"""Where raw tables come from. Each is kept as `<name>-<fingerprint>.<format>`, so a second fetch changes nothing."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..ports import TableSource, UserError
from ..schemas.data import DataConfig
from ..utils.files import replacing, sha256
from ..utils.instantiate import build


@dataclass(frozen=True)
class ScikitLearnSource:
    """One of the tables inside scikit-learn: `diabetes` (unscaled, in real units), `breast_cancer`, `wine`, `iris`."""

    dataset: str
    target: str
    """Name for the target's column."""

    def fetch(self, folder: Path, name: str) -> Path:
        """Write the table as CSV; classes are written by their names."""
        from sklearn import datasets

        load = getattr(datasets, f"load_{self.dataset}", None)
        if load is None:
            raise UserError(f"scikit-learn brings no table named {self.dataset!r}")
        bunch = load(as_frame=True, **({"scaled": False} if self.dataset == "diabetes" else {}))
        frame = bunch.frame.rename(columns={"target": self.target})
        if hasattr(bunch, "target_names"):
            frame[self.target] = [str(bunch.target_names[code]) for code in frame[self.target]]
        text = frame.to_csv(index=False, lineterminator="\n").encode()
        target = folder / f"{name}-{hashlib.sha256(text).hexdigest()[:16]}.csv"
        if not target.exists():
            with replacing(target) as aside:
                aside.write_bytes(text)
        return target


@dataclass(frozen=True)
class FileSource:
    """A local CSV or Parquet file."""

    path: str

    def fetch(self, folder: Path, name: str) -> Path:
        """Copy the file."""
        path = Path(self.path)
        if not path.is_file():
            raise UserError(f"data.path: there is no file {path}")
        if path.suffix not in (".csv", ".parquet"):
            raise UserError(f"data.path: {path} is neither .csv nor .parquet")
        target = folder / f"{name}-{sha256(path)[:16]}{path.suffix}"
        if not target.exists():
            with replacing(target) as aside:
                shutil.copyfile(path, aside)
        return target


@dataclass(frozen=True)
class UrlSource:
    """A file behind an address, checked against its sha256; downloaded once."""

    url: str
    sha256: str
    timeout: float = 60.0
    """Seconds without an answer after which the download fails."""

    def fetch(self, folder: Path, name: str) -> Path:
        """Download the file unless it is there already."""
        import requests

        target = folder / f"{name}-{self.sha256[:16]}{Path(urlsplit(self.url).path).suffix or '.csv'}"
        if target.exists() and sha256(target) == self.sha256:
            return target
        with replacing(target) as aside:
            try:
                with requests.get(self.url, stream=True, timeout=self.timeout) as answer:
                    answer.raise_for_status()
                    with aside.open("wb") as file:
                        for chunk in answer.iter_content(1 << 20):
                            file.write(chunk)
            except requests.RequestException as error:
                raise UserError(f"cannot download {self.url}: {_cause(error)}; or set data.path to a copy") from None
            found = sha256(aside)
            if found != self.sha256:
                raise UserError(f"{self.url} has sha256 {found}, data.source.sha256 is {self.sha256}: it has changed")
        return target


def fetch(config: DataConfig) -> Path:
    """The raw table's file, from `data.path` where it is set and else from `data.source`."""
    source: TableSource = FileSource(config.path) if config.path is not None else build(config.source or {})
    folder = Path(config.raw_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return source.fetch(folder, config.name)


def _cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error).splitlines()[0] if str(error) else type(error).__name__

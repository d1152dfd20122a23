"""No data, no model and nothing that .gitignore leaves out is in git. What may be is listed in pyproject.toml."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

DATA = {
    ".arrow", ".avro", ".csv", ".db", ".duckdb", ".feather", ".h5", ".hdf5", ".jsonl", ".npy", ".npz", ".orc",
    ".parquet", ".sqlite", ".sqlite3", ".tsv", ".xls", ".xlsx",
}  # fmt: skip
MODELS = {
    ".bin", ".cbm", ".ckpt", ".joblib", ".model", ".onnx", ".pickle", ".pkl", ".pt", ".pth", ".safetensors", ".ubj",
}  # fmt: skip
PACKED = {".bz2", ".gz", ".xz", ".zip", ".zst"}


def problems(tracked: Iterable[str], ignored: Iterable[str], allowed: Sequence[str]) -> list[str]:
    """One line per file that must not be in git.

    Args:
        tracked: what is in git, as posix paths.
        ignored: of those, what .gitignore leaves out; they got in by force, or before it said so.
        allowed: patterns of paths that may be there all the same; `*` stands for any text, slashes too.
    """
    left_out = set(ignored)
    found = []
    for path in sorted(tracked):
        if any(fnmatchcase(path, pattern) for pattern in allowed):
            continue
        kind = _kind(PurePosixPath(path))
        if path in left_out:
            found.append(f"{path}: .gitignore leaves it out, and it is in git: run git rm --cached {path}")
        elif kind is not None:
            found.append(
                f"{path}: {kind} in git: run git rm --cached {path}, and keep it in data/raw/ or the registry; "
                "if it belongs here, add it to tool.hygiene.allowed in pyproject.toml"
            )
    return found


def _kind(path: PurePosixPath) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    return "data" if last in DATA else "a model" if last in MODELS else None


def main() -> int:
    """Check the repository in the working directory."""
    with Path("pyproject.toml").open("rb") as file:
        allowed = tomllib.load(file).get("tool", {}).get("hygiene", {}).get("allowed", [])
    found = problems(_listed(), _listed("--ignored", "--exclude-per-directory=.gitignore"), allowed)
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


def _listed(*options: str) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [path for path in done.stdout.split("\0") if path]


if __name__ == "__main__":
    sys.exit(main())

"""Print DVC's hash of a file or folder that the pipeline makes, once it is sure that it is what lies there now."""

import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo


def recorded(path: str) -> str:
    """The hash that dvc.lock has of an output, such as `37332e84b73bdf2d1a21b8a7ff421b37.dir`.

    Raises:
        DvcException: it is no output, or dvc.lock has no hash of it.
        ValueError: what lies there is something else.
    """
    (out,) = Repo().find_outs_by_path(path, recursive=False)
    if not out.hash_info:
        raise ValueError(f"dvc.lock does not know {path} yet: run `dvc repro` of the stage that makes it")
    if state := out.status():
        raise ValueError(f"{path} is {next(iter(state.values()))}: run `dvc repro` of the stage that makes it")
    return str(out.hash_info.value)


if __name__ == "__main__":
    try:
        print(recorded(sys.argv[1]))
    except (DvcException, ValueError) as error:
        sys.exit(f"error: {error}")

"""All that the registry holds, in one folder: the database with its accounts, the files, and the secrets of both."""

import datetime
import shutil
import tarfile
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError

from . import environment
from .engine import Engine

DUMP, FILES, SECRETS = "database.dump", "files.tar", "env"  # pragma: allowlist secret
CODE = (Path(__file__).parent / "objects.py").read_text(encoding="utf-8")
LAST = "number-of-objects"
"""The last member of FILES."""
COPY = ("mlflow", "python", "-c", CODE)
POSTGRES = ("exec", "-T", "postgres")


def back_up(engine: Engine, project: Path, folder: Path | None) -> Path:
    """Write a new folder; the stack runs on. The database comes first: what it names is in the store by then.

    Raises:
        UserError: the folder is there, or the stack is not, or the files did not come whole.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = folder or project / "backups" / now
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder")
    secrets = environment.read(project / ".env")
    if not secrets:
        raise UserError(f"there is no {project / '.env'}: run make stack first")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    try:
        with (part / DUMP).open("wb") as file:
            engine.compose(*POSTGRES, "pg_dump", "--username=mlflow", "--format=custom", "mlflow", target=file)
        with (part / FILES).open("wb") as file:
            engine.compose("exec", "-T", *COPY, "out", LAST, target=file)
        _check(part / FILES)
        environment.write(part / SECRETS, (project / ".env").read_text(encoding="utf-8"))
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part)
        raise
    return folder


def restore(engine: Engine, project: Path, folder: Path) -> None:
    """Fill an empty stack with a backup; the registry has not been started then.

    The database comes last, in one transaction: what is killed before leaves an empty registry, and none without files.

    Raises:
        UserError: the folder is no whole backup, the stack holds something, or there is a .env with other secrets.
    """
    for name in (DUMP, FILES, SECRETS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no backup: it has no {name}; name a folder that make stack-backup wrote")
    _check(folder / FILES)
    kept, here = environment.read(folder / SECRETS), project / ".env"
    known = environment.read(here)
    own = [name for name in kept if name.startswith("STACK_") and name in environment.required(project)]
    if other := [name for name in own if name != environment.VERSION and known.get(name, kept[name]) != kept[name]]:
        raise UserError(
            f"{other[0]} of {here} is not the backup's: move that file away, and the backup's takes its place"
        )
    made = not here.exists()
    if made:  # with its ports and tags
        environment.write(here, (folder / SECRETS).read_text(encoding="utf-8"))
    elif added := [f"{name}={kept[name]}\n" for name in own if name not in known]:
        environment.write(here, here.read_text(encoding="utf-8").rstrip("\n") + "\n" + "".join(added))
    environment.complete(project)
    if volumes := engine.volumes():
        if made:
            here.unlink()
        raise UserError(f"the stack holds something, volume {volumes[0]}: delete it as docs/stack.md says")
    try:
        engine.compose("up", "--detach", "--wait", "postgres", "seaweedfs")
        with (folder / FILES).open("rb") as file:
            engine.compose("run", "--rm", "--no-deps", "-T", *COPY, "in", LAST, source=file)
        with (folder / DUMP).open("rb") as file:
            command = ("pg_restore", "--username=mlflow", "--dbname=mlflow", "--no-owner", "--exit-on-error")
            engine.compose(*POSTGRES, *command, "--single-transaction", source=file)
    except BaseException:
        engine.compose("down", "--volumes")  # nothing half-full stays, and it was empty
        raise


def _check(files: Path) -> None:
    """Refuse files that are not all there.

    Raises:
        UserError: the archive does not end with the number of its objects.
    """
    try:
        with tarfile.open(files, "r:") as archive:
            *objects, last = archive.getmembers()
            file = archive.extractfile(last) if last.name == LAST else None
            whole = file is not None and int(file.read()) == len(objects)
    except (tarfile.ReadError, ValueError):  # cut off within a member, or empty
        whole = False
    if not whole:
        raise UserError(
            f"{files} was cut off, or is of another version: it does not end with the number of its objects"
        )

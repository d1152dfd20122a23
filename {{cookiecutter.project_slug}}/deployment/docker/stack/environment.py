"""The file `.env`, from which Compose takes what compose.yaml requires: random secrets and the images' version."""

import os
import re
import secrets
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError

REQUIRED = re.compile(r"\$\{(STACK_\w+):\?")
VERSION = "STACK_VERSION"
KEY = "STACK_POSTGRES_PASSWORD"
"""Without it a stack that is there cannot be opened."""
OUTSIDE = ("STACK_CI_PASSWORD", "STACK_PEOPLE_PASSWORD")
ABOVE = (
    "# Secrets of `make stack`. Keep them: what they guard was made with them. Ports and tags may be set here, too.\n"
)


def required(project: Path) -> list[str]:
    """What compose.yaml does not come up without, in its order, and the passwords that no container is told."""
    text = (project / "compose.yaml").read_text(encoding="utf-8")
    return [*dict.fromkeys(REQUIRED.findall(text)), *OUTSIDE]


def read(path: Path) -> dict[str, str]:
    """The names and values of such a file; empty where there is none.

    Raises:
        UserError: a line is neither NAME=value nor a comment, or Compose would read another value.
    """
    values = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            if odd := next((mark for mark in (" #", "$") if mark in value.strip()), None):
                raise UserError(
                    f"{path}, line {number}: Compose reads {odd.strip()} in a value as more than itself; comments have "
                    "lines of their own, and secrets none of these marks"
                )
            values[name.strip()] = value.strip().strip("\"'")
        elif line.strip() and not line.lstrip().startswith("#"):
            raise UserError(f"{path}, line {number}, is neither NAME=value nor a comment: write it as NAME=value")
    return values


def complete(project: Path) -> dict[str, str]:
    """Add to `.env` what it lacks, and return what Compose will read; what is there stays as it is.

    Raises:
        UserError: a secret is empty, or a variable of the environment hides one.
    """
    path = project / ".env"
    text = path.read_text(encoding="utf-8") if path.exists() else ABOVE
    values, wanted = read(path), {VERSION: (project / "VERSION").read_text(encoding="utf-8").strip()}
    for name in required(project):
        if name != VERSION:
            wanted[name] = values.get(name, secrets.token_urlsafe(24))
        if name in os.environ and os.environ[name] != wanted[name]:
            raise UserError(f"the environment's {name} would hide that of {path}: unset it")
        if not wanted[name]:
            raise UserError(f"{name} in {path} is empty: give it a value, or delete the line to have one made")
    if wanted.items() <= values.items():
        return values
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() != VERSION]
    added = [f"{name}={value}" for name, value in wanted.items() if name == VERSION or name not in values]
    write(path, "\n".join([*kept, *added]) + "\n")
    return values | wanted


def write(path: Path, text: str) -> None:
    """For nobody else to read, and never half of it."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)

"""Dockerfiles as lists of instructions, and what a build's context lets through; for what is checked without an engine."""

import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.project import ROOT

FOLDER = ROOT / "deployment/docker"
DOCKERFILES = sorted(FOLDER.glob("*.Dockerfile"))
FLAG = re.compile(r"--([\w-]+)=(\S+)\s+")


@dataclass
class Stage:
    """From one FROM to the next.

    Args:
        base: an image or an earlier stage, its arguments filled in with their defaults.
        name: None for a stage that nothing can refer to.
    """

    base: str
    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, keyword: str) -> list[str]:
        """What stands behind each instruction of that name."""
        return [value for name, value in self.instructions if name == keyword]

    def only(self, keyword: str) -> str:
        """The same for an instruction that stands there once."""
        (value,) = self.values(keyword)
        return value

    def command(self, keyword: str) -> list[str]:
        """The exec form of CMD or HEALTHCHECK."""
        found: list[str] = json.loads(self.only(keyword).rpartition("CMD ")[2])
        return found

    def pairs(self, keyword: str) -> dict[str, str]:
        """The names and values of LABEL or ENV."""
        found = re.findall(r'([\w.]+)=("[^"]*"|\S+)', " ".join(self.values(keyword)))
        return {name: value.strip('"') for name, value in found}


def stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile; the last one is the image."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], value).partition(" AS ")
            found.append(Stage(base, name or None))
        elif keyword and found:
            found[-1].instructions.append((keyword, value.strip()))
        elif keyword:
            assert keyword == "ARG", f"{path.name}: {keyword} before the first FROM"
            name, _, default = value.partition("=")
            arguments[name] = default
    return found


def copied(stage: Stage) -> list[str]:
    """What the stage takes from the build's context: by COPY, or mounted while a command runs."""
    paths = []
    for value in stage.values("COPY"):
        if "from" not in dict(FLAG.findall(value)):
            paths += FLAG.sub("", value).split()[:-1]
    for value in stage.values("RUN"):
        for mount in re.findall(r"--mount=(\S+)", value):
            options = dict(option.partition("=")[::2] for option in mount.split(","))
            if options["type"] == "bind" and "from" not in options:
                paths.append(options["source"])
    return paths


def sent(path: str) -> bool:
    """Whether .dockerignore lets a path of the project through: the last line that fits it, or a folder above, decides."""
    answer = True
    above = [path, *(parent.as_posix() for parent in Path(path).parents if parent != Path())]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if not line or line.startswith("#"):
            continue
        names = [Path(name).name for name in above] if "**/" in line else above
        if any(name == pattern or fnmatch(name, pattern) for name in names):
            answer = line.startswith("!")
    return answer
